// check_whole: what only the whole file tells.
#include <algorithm>
#include <set>

#include "address.hpp"
#include "build.hpp"
#include "values.hpp"

namespace streamkeeper::configuration {
namespace {

void check_reference(const Scope& top, const Item* item, const std::string& what, Report& report) {
    const auto names = upstream_names(top);
    if (item == nullptr || !item->good || names.empty()) return;
    if (std::find(names.begin(), names.end(), item->text) != names.end()) return;
    const std::string_view near = nearest(item->text, names);
    std::string message = '`' + what + "` names an unknown upstream `" + item->text + "`";
    if (!near.empty()) message += "; did you mean `" + std::string(near) + "`?";
    report.mistake(item->value, message);
}

void check_references(const Scope& top, Report& report) {
    const auto names = upstream_names(top);
    check_reference(top, top.good("default_upstream"), "default_upstream", report);
    if (names.size() > 1 && !top.written("default_upstream")) {
        report.mistake(top.good("upstreams")->key, "`default_upstream` is required with several upstreams");
    }
    if (const Item* models = top.good("models")) {
        for (const auto& [name, item] : models->members) {
            check_reference(top, item.find("upstream"), "models." + name + ".upstream", report);
        }
    }
}

/// Each loop is told once, at its first alias in the file.
void check_aliases(const Scope& top, const Config& config, Report& report) {
    const Item* map = top.good("aliases");
    if (map == nullptr) return;
    std::set<std::string> told;
    for (const auto& [name, item] : map->members) {
        std::vector<std::string> way{name};
        auto next = config.aliases.find(name);
        while (next != config.aliases.end() && std::find(way.begin(), way.end(), next->second) == way.end()) {
            way.push_back(next->second);
            next = config.aliases.find(next->second);
        }
        if (next == config.aliases.end() || next->second != name || told.contains(name)) continue;
        told.insert(way.begin(), way.end());
        std::string shown;
        for (const std::string& stop : way) shown += stop + " → ";
        report.mistake(item.value, "`aliases." + name + "` is a loop: " + shown + name);
    }
}

Place element_place(const Scope& top, std::string_view key, std::size_t index) {
    const Item* list = top.good(key);
    return list != nullptr && index < list->elements.size() ? list->elements[index].value : top.place(key);
}

void check_listeners(const Scope& top, const Config& config, Report& report) {
    const bool guarded = top.written("clients") && (!top.good("clients") || !top.good("clients")->elements.empty());
    for (std::size_t i = 0; i < config.listen.size(); ++i) {
        const ListenAddress& address = config.listen[i];
        const Place place = element_place(top, "listen", i);
        if (!address.loopback() && !guarded) {
            report.mistake(place, "`listen` " + address.text +
                                      " can be reached from other machines, so `clients` with tokens are required");
        }
        for (std::size_t j = 0; j < i; ++j) {
            const ListenAddress& other = config.listen[j];
            const bool fixed = address.kind == ListenAddress::Kind::unix_socket || address.port != 0;
            if (fixed && other.kind == address.kind && other.host == address.host && other.port == address.port) {
                report.mistake(place, "`listen` has " + address.text + " twice");
            }
        }
    }
    if (!config.allowed_hosts.empty() && !guarded) {
        report.mistake(top.place("allowed_hosts"),
                       "`allowed_hosts` lets other names in, so `clients` with tokens are required");
    }
}

void check_metrics(const Scope& top, const Config& config, Report& report) {
    if (!config.metrics.listen) return;
    const Place place = top.map("metrics").place("listen");
    const ListenAddress& own = *config.metrics.listen;
    if (!own.loopback()) {
        report.mistake(place,
                       "`metrics.listen` must be a loopback or Unix address: metrics are shown to this machine "
                       "alone");
    }
    for (const ListenAddress& address : config.listen) {
        if (address.kind == own.kind && address.host == own.host && address.port == own.port && own.port != 0) {
            report.mistake(place, "`metrics.listen` is one of `listen`; write `same`");
        }
    }
}

void check_own_listener(const Scope& top, const Config& config, Report& report) {
    for (const auto& upstream : config.upstreams) {
        for (const ListenAddress& address : config.listen) {
            if (!reaches(upstream->base_url, address)) continue;
            const Item* item = top.good("upstreams")->find(upstream->name);
            report.mistake(Scope(item, "upstreams.NAME").place("base_url"),
                           "`upstreams." + upstream->name + "` is streamkeeper's own listener " + address.text +
                               "; requests would go round in circles");
            break;
        }
    }
}

void note_memory(const Config& config, Report& report) {
    if (config.limits.body <= config.limits.memory / 2) return;
    report.notes.push_back("limits.body is more than half of limits.memory; bodies over " +
                           format_size(config.limits.memory / 2) + " are refused all the same");
}

void note_pauses(const Config& config, Report& report) {
    if (config.retry.cap >= config.retry.base) return;
    report.notes.push_back("retry.cap (" + format_duration(config.retry.cap) + ") is shorter than retry.base (" +
                           format_duration(config.retry.base) + "); every pause is bounded by the cap");
}

}  // namespace

std::vector<std::string_view> upstream_names(const Scope& top) {
    std::vector<std::string_view> names;
    const Item* map = top.good("upstreams");
    if (map == nullptr) return names;
    for (const auto& [name, item] : map->members) names.push_back(name);
    return names;
}

void check_whole(const Scope& top, const Config& config, Report& report) {
    check_references(top, report);
    check_aliases(top, config, report);
    check_chains(top, config, report);
    check_listeners(top, config, report);
    check_metrics(top, config, report);
    check_own_listener(top, config, report);
    note_memory(config, report);
    note_pauses(config, report);
}

}  // namespace streamkeeper::configuration
