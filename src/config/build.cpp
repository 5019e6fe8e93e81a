#include "build.hpp"

#include <algorithm>

#include "address.hpp"
#include "key_source.hpp"
#include "resume.hpp"
#include "values.hpp"

namespace streamkeeper::configuration {
namespace {

std::uint32_t number(const std::string& text) { return static_cast<std::uint32_t>(read_number(text)); }

Duration duration(const std::string& text) { return parse_duration(text).value_or(no_limit); }

std::vector<ListenAddress> build_listen(const Scope& top) {
    std::vector<ListenAddress> all;
    for (const std::string& text : top.texts("listen")) {
        if (const auto address = parse_listen(text)) all.push_back(*address);
    }
    return all;
}

/// IPv6 gets the brackets that a Host field has.
std::vector<std::string> build_hosts(const Scope& top) {
    std::vector<std::string> all;
    for (const std::string& text : top.texts("allowed_hosts")) {
        const bool bare = text.find(':') != text.npos && !text.starts_with('[');
        all.push_back(lower_case(bare ? '[' + text + ']' : text));
    }
    return all;
}

std::vector<std::string> build_origins(const Scope& top) {
    std::vector<std::string> all;
    for (const std::string& text : top.texts("allowed_origins")) all.push_back(lower_case(text));
    return all;
}

Client build_client(const Item& name, const Item& file, const std::filesystem::path& base, Report& report) {
    Client client{name.text, Secret(), {SecretSource::Kind::file, {absolute_name(base, file.text)}}};
    SecretReading reading = read_secret(client.source, base);
    if (!reading.problem.empty()) {
        report.mistake(file.value,
                       "client `" + name.text + "`: token " + described(client.source) + ' ' + reading.problem);
    }
    if (!reading.stripped.empty()) {
        report.notes.push_back("client " + name.text + ": stripped " + enumerate(reading.stripped));
    }
    client.token = std::move(reading.secret);
    return client;
}

std::vector<Client> build_clients(const Scope& top, const std::filesystem::path& base, Report& report) {
    std::vector<Client> all;
    const Item* list = top.good("clients");
    if (list == nullptr) return all;
    for (const Item& each : list->elements) {
        const Item* name = each.find("name");
        const Item* file = each.find("token_file");
        if (name == nullptr || file == nullptr || !name->good || !file->good) continue;
        Client client = build_client(*name, *file, base, report);
        for (const Client& earlier : all) {
            if (earlier.name == client.name) {
                report.mistake(name->value, "two clients are named `" + client.name + "`");
            } else if (!client.token.empty() && earlier.token.reveal() == client.token.reveal()) {
                report.mistake(file->value, "client `" + client.name + "` has the token of client `" + earlier.name +
                                                "`; nobody could tell them apart");
            }
        }
        all.push_back(std::move(client));
    }
    return all;
}

std::map<std::string, Model> build_models(const Scope& top) {
    std::map<std::string, Model> all;
    const Item* map = top.good("models");
    if (map == nullptr) return all;
    for (const auto& [name, item] : map->members) {
        const Scope scope(&item, "models.NAME");
        Model& model = all[name];
        model.upstream = scope.text("upstream");
        model.fallback = scope.texts("fallback");
        model.context = read_number(scope.text("context"));
        model.timeouts = build_overrides(scope.map("timeouts"));
        model.resume = build_resume_overrides(scope.map("resume"));
    }
    return all;
}

std::map<std::string, std::string> build_aliases(const Scope& top) {
    std::map<std::string, std::string> all;
    const Item* map = top.good("aliases");
    if (map == nullptr) return all;
    for (const auto& [name, item] : map->members) {
        if (item.good) all[name] = item.text;
    }
    return all;
}

Timeouts build_timeouts(const Scope& timeouts) {
    Timeouts made;
    for (const TimeoutField& field : timeout_fields()) {
        made.*field.global = duration(timeouts.text(field.name));
    }
    return made;
}

void build_policy(const Scope& top, Config& config) {
    config.model_names = meaning_of(model_name_rules(), top.text("model_names"));
    const Scope causes = top.map("fallback_on");
    config.fallback_on = {causes.texts("context_length"), causes.texts("content_policy")};
    const Scope retry = top.map("retry");
    config.retry.attempts = number(retry.text("attempts"));
    config.retry.per_target = number(retry.text("per_target"));
    config.retry.base = duration(retry.text("base"));
    config.retry.cap = duration(retry.text("cap"));
    const Scope deadline = retry.map("deadline");
    config.retry.deadline_stream = duration(deadline.text("stream"));
    config.retry.deadline_other = duration(deadline.text("other"));
    const Scope stream = top.map("stream");
    config.stream.commit_hold = duration(stream.text("commit_hold"));
    config.stream.heartbeat = duration(stream.text("heartbeat"));
    config.stream.assemble = meaning_of(assemblies(), stream.text("assemble"));
    config.resume = build_resume(top.map("resume"));
}

void build_process(const Scope& top, Config& config) {
    const Scope limits = top.map("limits");
    config.limits.head = parse_size(limits.text("head")).value_or(0);
    config.limits.body = parse_size(limits.text("body")).value_or(0);
    config.limits.memory = parse_size(limits.text("memory")).value_or(0);
    config.limits.connections = number(limits.text("connections"));
    const Scope metrics = top.map("metrics");
    config.metrics.listen = parse_listen(metrics.text("listen"));
    config.metrics.model_labels = number(metrics.text("model_labels"));
    const Scope log = top.map("log");
    config.log.level = meaning_of(log_levels(), log.text("level"));
    config.log.format = meaning_of(log_formats(), log.text("format"));
    config.drain = duration(top.text("drain"));
}

}  // namespace

Config build_config(const Item& root, const std::filesystem::path& base, Report& report) {
    const Scope top(&root, "");
    Config config;
    config.listen = build_listen(top);
    config.allowed_hosts = build_hosts(top);
    config.allowed_origins = build_origins(top);
    config.clients = build_clients(top, base, report);
    config.upstreams = build_upstreams(top, base, report);
    config.default_upstream = top.text("default_upstream");
    if (config.default_upstream.empty() && config.upstreams.size() == 1) {
        config.default_upstream = config.upstreams.front()->name;
    }
    config.models = build_models(top);
    config.aliases = build_aliases(top);
    build_policy(top, config);
    config.timeouts = build_timeouts(top.map("timeouts"));
    build_process(top, config);
    check_whole(top, config, report);
    return config;
}

}  // namespace streamkeeper::configuration
