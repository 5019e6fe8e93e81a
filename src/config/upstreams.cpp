#include <algorithm>
#include <array>

#include "address.hpp"
#include "build.hpp"
#include "key_source.hpp"
#include "presets.hpp"
#include "resume.hpp"
#include "values.hpp"

namespace streamkeeper::configuration {
namespace {

/// One upstream of the file on its way to an `Upstream`.
class Builder {
public:
    Builder(std::string name, const Item& item, const std::filesystem::path& base, Report& report)
        : scope_(&item, "upstreams.NAME"), item_(item), base_(base), report_(report) {
        made_->name = std::move(name);
    }

    std::shared_ptr<const Upstream> build() {
        if (!is_name(made_->name)) complain(item_.key, "must have another name: " + std::string(name_rule));
        made_->preset = scope_.text("preset");
        preset_ = find_preset(made_->preset);
        read_url();
        made_->cleartext = scope_.text("cleartext") == "true";
        made_->stream_usage = meaning_of(stream_usages(), scope_.text("stream_usage"));
        read_pacing();
        read_proxy();
        const Scope tls = scope_.map("tls");
        if (const Item* file = tls.good("ca_file")) read_ca_file(*file);
        made_->timeouts = build_overrides(scope_.map("timeouts"));
        read_resume();
        read_keys();
        settle_auth();
        check_cleartext();
        return made_;
    }

private:
    void complain(Place place, const std::string& message) {
        report_.mistake(place, "`upstreams." + made_->name + "` " + message);
    }

    void read_url() {
        const Item* own = scope_.good("base_url");
        const bool unknown_preset = scope_.written("preset") && scope_.good("preset") == nullptr;
        if (own == nullptr && (scope_.written("base_url") || unknown_preset)) return;
        const std::string_view text = own != nullptr ? std::string_view(own->text) : preset_->base_url;
        if (text.empty()) return complain(item_.key, "lacks `base_url`, which the preset `generic` can't know");
        made_->base_url = read_base_url(text).url.value_or(BaseUrl{});
        if (std::string note = correct_moved_host(made_->base_url); !note.empty()) {
            report_.notes.push_back("upstream " + made_->name + ": " + note);
        }
    }

    void read_pacing() {
        made_->key_order = meaning_of(key_orders(), scope_.text("key_order"));
        const Item* scope = scope_.good("limit_scope");
        made_->limit_scope = scope != nullptr ? meaning_of(limit_scopes(), scope->text) : preset_->limit_scope;
        made_->limit_per_model = scope_.text("limit_per_model") == "true";
        made_->max_in_flight = static_cast<std::uint32_t>(read_number(scope_.text("max_in_flight")));
        made_->queue = static_cast<std::uint32_t>(read_number(scope_.text("queue")));
        made_->fallback_by = meaning_of(fallback_walkers(), scope_.text("fallback_by"));
        if (scope_.written("rate_limits")) {
            read_rate_limits();
        } else {
            made_->rate_limits.assign(preset_->rate_limits.begin(), preset_->rate_limits.end());
        }
    }

    /// A preset speaks of one address. Another path there is another API (`prefix` is known of DeepSeek's `/beta`
    /// alone), but another host with the vendor's preset is meant to be like it.
    void read_resume() {
        made_->resume = build_resume_overrides(scope_.map("resume"));
        const BaseUrl own = parse_base_url(preset_->base_url).value_or(BaseUrl{});
        const bool another = own.authority() == made_->base_url.authority() && own.path != made_->base_url.path;
        if (!another) made_->preset_capability = preset_->capability;
    }

    void read_rate_limits() {
        const Item* list = scope_.good("rate_limits");
        if (list == nullptr) return;
        for (const Item& each : list->elements) {
            const Scope limit(&each, "upstreams.NAME.rate_limits[]");
            const Item* scope = limit.good("scope");
            made_->rate_limits.push_back(
                {static_cast<std::uint32_t>(read_number(limit.text("requests"))),
                 parse_duration(limit.text("per")).value_or(Duration(0)),
                 scope != nullptr ? meaning_of(limit_scopes(), scope->text) : made_->limit_scope});
        }
    }

    void read_proxy() {
        const std::string text = scope_.text("proxy");
        if (text == "none") made_->proxy.kind = ProxyChoice::Kind::none;
        if (text == "none" || text == "env") return;
        made_->proxy = {ProxyChoice::Kind::url, parse_base_url(text).value_or(BaseUrl{})};
    }

    void read_ca_file(const Item& item) {
        made_->ca_file = absolute_name(base_, item.text);
        std::error_code error;
        if (!std::filesystem::is_regular_file(made_->ca_file, error)) {
            complain(item.value, "has a `tls.ca_file` that is no file: " + made_->ca_file.string());
        }
    }

    void read_keys() {
        const Item* list = scope_.good("keys");
        if (list == nullptr) return;
        for (const Item& each : list->elements) {
            const Item* name = each.find("name");
            if (!each.good || name == nullptr || !name->good) continue;
            const auto same = [&](const Key& key) { return key.name == name->text; };
            if (std::any_of(made_->keys.begin(), made_->keys.end(), same)) {
                complain(name->value, "has two keys named `" + name->text + "`");
                continue;
            }
            made_->keys.push_back(read_key(each, name->text));
        }
    }

    Key read_key(const Item& item, const std::string& name) {
        Key key{name, Secret(), source_of(item, base_)};
        if (key.source.words.empty()) return key;
        SecretReading reading = read_secret(key.source, base_);
        if (!reading.problem.empty()) {
            std::string message = "key `" + name + "`: " + described(key.source) + ' ' + reading.problem;
            if (key.source.kind == SecretSource::Kind::file && !std::filesystem::exists(key.source.words.front())) {
                message += "; `streamkeeper key set " + made_->name + '/' + name + "` stores one";
            }
            complain(place_of_source(item), message);
        }
        if (!reading.stripped.empty()) {
            report_.notes.push_back("upstream " + made_->name + ", key " + name + ": stripped " +
                                    enumerate(reading.stripped));
        }
        key.secret = std::move(reading.secret);
        return key;
    }

    static Place place_of_source(const Item& item) {
        for (const auto& [name, value] : item.members) {
            if (value.entry->presence == Presence::one_of) return value.value;
        }
        return item.value;
    }

    void settle_auth() {
        const Item* own = scope_.good("auth");
        const Item* list = scope_.good("keys");
        const bool has_keys = list != nullptr && !list->elements.empty();
        const bool near = preset_->name == "generic" && is_loopback(made_->base_url.host);
        if (own != nullptr) {
            made_->auth = meaning_of(auth_styles(), own->text);
        } else if (!has_keys && near) {
            made_->auth = AuthStyle::none;
        } else if (has_keys && preset_->auth == AuthStyle::none) {
            // A key for a vendor that usually has none is there to be sent.
            made_->auth = AuthStyle::bearer;
        } else {
            made_->auth = preset_->auth;
        }
        if (scope_.written("auth") && own == nullptr) return;
        if (scope_.written("keys") && list == nullptr) return;
        if (made_->auth == AuthStyle::none && has_keys) {
            complain(own->value, "has keys, which `auth: none` never sends; remove one of the two");
        } else if (made_->auth != AuthStyle::none && !has_keys && !made_->base_url.host.empty()) {
            complain(item_.key, "has no `keys`; add one, or say `auth: none`");
        }
    }

    void check_cleartext() {
        const bool open_network = !made_->base_url.tls && !is_loopback(made_->base_url.host);
        if (!open_network || made_->cleartext || made_->keys.empty()) return;
        complain(scope_.place("base_url"),
                 "would send its key unencrypted over http://; use https://, or allow it with `cleartext: true`");
    }

    std::shared_ptr<Upstream> made_ = std::make_shared<Upstream>();
    Scope scope_;
    const Item& item_;
    const std::filesystem::path& base_;
    Report& report_;
    const Preset* preset_ = nullptr;
};

}  // namespace

std::string absolute_name(const std::filesystem::path& base, const std::string& name) {
    return (base / name).lexically_normal().string();
}

SecretSource source_of(const Item& key, const std::filesystem::path& base) {
    using Source = SecretSource::Kind;
    static constexpr std::array<std::pair<std::string_view, Source>, 4> kinds{{{"file", Source::file},
                                                                               {"credential", Source::credential},
                                                                               {"env", Source::env},
                                                                               {"command", Source::command}}};
    for (const auto& [name, kind] : kinds) {
        const Item* value = key.find(name);
        if (value == nullptr || !value->good) continue;
        SecretSource source{kind, {}};
        for (const Item& word : value->elements) source.words.push_back(word.text);
        if (kind != Source::command) source.words = {value->text};
        if (kind == Source::file) source.words = {absolute_name(base, value->text)};
        return source;
    }
    return {};
}

TimeoutOverrides build_overrides(const Scope& timeouts) {
    TimeoutOverrides made;
    for (const TimeoutField& field : timeout_fields()) {
        if (field.override_of == nullptr) continue;
        if (const Item* own = timeouts.good(field.name)) made.*field.override_of = parse_duration(own->text);
    }
    return made;
}

std::vector<std::shared_ptr<const Upstream>> build_upstreams(const Scope& top, const std::filesystem::path& base,
                                                             Report& report) {
    std::vector<std::shared_ptr<const Upstream>> all;
    const Item* map = top.good("upstreams");
    if (map == nullptr) return all;
    for (const auto& [name, item] : map->members) {
        if (item.good) all.push_back(Builder(name, item, base, report).build());
    }
    if (map->members.empty()) report.mistake(map->key, "`upstreams` is empty; at least one is needed");
    return all;
}

}  // namespace streamkeeper::configuration
