#include "show.hpp"

#include <cstdio>

#include "resume.hpp"
#include "streamkeeper/config.hpp"
#include "values.hpp"

namespace streamkeeper {
namespace configuration {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_plain(std::string_view text) {
    // Words that YAML reads as something else, now or in another version, are quoted for other readers' sake.
    for (const std::string_view word : {"null", "Null", "NULL", "true", "false", "yes", "no", "on", "off"}) {
        if (text == word) return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool inner_colon = c == ':' && i + 1 < text.size() && (text[i + 1] == '/' || is_digit(text[i + 1]));
        const bool safe = is_letter(c) || is_digit(c) || std::string_view("._-/+").find(c) != std::string_view::npos;
        if (!safe && !inner_colon) return false;
    }
    return !text.empty() && (is_letter(text[0]) || text[0] == '/');
}

std::string list(const std::vector<std::string>& words) {
    std::string text = "[";
    for (const std::string& word : words) text += (text.size() > 1 ? ", " : "") + scalar(word);
    return text + "]";
}

std::string_view member_of(SecretSource::Kind kind) {
    switch (kind) {
        case SecretSource::Kind::file: return "file";
        case SecretSource::Kind::credential: return "credential";
        case SecretSource::Kind::env: return "env";
        case SecretSource::Kind::command: return "command";
    }
    return "file";
}

std::string show_key(const Key& key) {
    const auto& words = key.source.words;
    const bool command = key.source.kind == SecretSource::Kind::command;
    return "{name: " + scalar(key.name) + ", " + std::string(member_of(key.source.kind)) + ": " +
           (command ? list(words) : scalar(words.empty() ? std::string() : words.front())) + "}  # " +
           key.secret.masked() + '\n';
}

std::string show_overrides(const TimeoutOverrides& overrides) {
    std::string text;
    for (const TimeoutField& field : timeout_fields()) {
        if (field.override_of == nullptr || !(overrides.*field.override_of)) continue;
        text += (text.empty() ? "" : ", ") + std::string(field.name) + ": " +
                format_duration(*(overrides.*field.override_of));
    }
    return "timeouts: {" + text + "}\n";
}

std::string show_proxy(const ProxyChoice& proxy) {
    if (proxy.kind == ProxyChoice::Kind::url) return scalar(proxy.url.text);
    return proxy.kind == ProxyChoice::Kind::none ? "none" : "env";
}

std::string show_pacing(const Upstream& upstream, const std::string& in) {
    std::string text = in + "key_order: " + std::string(spelling_of(key_orders(), upstream.key_order)) + '\n';
    text += in + "limit_scope: " + std::string(spelling_of(limit_scopes(), upstream.limit_scope)) + '\n';
    text += in + "limit_per_model: " + (upstream.limit_per_model ? "true" : "false") + '\n';
    text += in + (upstream.rate_limits.empty() ? "rate_limits: []\n" : "rate_limits:\n");
    for (const RateLimit& limit : upstream.rate_limits) text += in + "  - " + format_rate_limit(limit) + '\n';
    text += in + "max_in_flight: " + std::to_string(upstream.max_in_flight) + '\n';
    text += in + "queue: " + std::to_string(upstream.queue) + '\n';
    return text + in + "fallback_by: " + std::string(spelling_of(fallback_walkers(), upstream.fallback_by)) + '\n';
}

std::string show_upstream(const Upstream& upstream) {
    const std::string in = "    ";
    std::string text = "  " + scalar(upstream.name) + ":\n";
    text += in + "preset: " + upstream.preset + '\n';
    text += in + "base_url: " + scalar(upstream.base_url.text) + '\n';
    text += in + "auth: " + std::string(spelling_of(auth_styles(), upstream.auth)) + '\n';
    text += in + (upstream.keys.empty() ? "keys: []\n" : "keys:\n");
    for (const Key& key : upstream.keys) text += in + "  - " + show_key(key);
    text += show_pacing(upstream, in);
    text += in + "stream_usage: " + std::string(spelling_of(stream_usages(), upstream.stream_usage)) + '\n';
    text += in + "proxy: " + show_proxy(upstream.proxy) + '\n';
    const std::string file = upstream.ca_file.string();
    text += in + "tls: {" + (file.empty() ? std::string() : "ca_file: " + scalar(file)) + "}\n";
    text += in + "cleartext: " + (upstream.cleartext ? "true" : "false") + '\n';
    text += in + show_overrides(upstream.timeouts);
    // As a comment: what a file says is not probed, and this is no such word.
    const std::string known = format_capability(upstream.preset_capability);
    return text + in + show_resume(upstream.resume) + (known == "{}" ? "" : "  # the preset knows: " + known) + '\n';
}

std::string show_listeners(const Config& config) {
    std::vector<std::string> addresses;
    for (const ListenAddress& address : config.listen) addresses.push_back(address.text);
    std::string text = "listen: " + list(addresses) + '\n';
    text += "allowed_hosts: " + list(config.allowed_hosts) + '\n';
    text += "allowed_origins: " + list(config.allowed_origins) + '\n';
    text += config.clients.empty() ? "clients: []\n" : "clients:\n";
    for (const Client& client : config.clients) {
        const auto& words = client.source.words;
        text += "  - {name: " + scalar(client.name) +
                ", token_file: " + scalar(words.empty() ? std::string() : words.front()) + "}  # " +
                client.token.masked() + '\n';
    }
    return text;
}

std::string show_models(const Config& config) {
    std::string text = config.models.empty() ? "models: {}\n" : "models:\n";
    for (const auto& [name, model] : config.models) {
        const std::string& upstream = model.upstream.empty() ? config.default_upstream : model.upstream;
        text += "  " + scalar(name) + ":\n    upstream: " + scalar(upstream) + '\n';
        text += "    fallback: " + list(model.fallback) + "\n    context: " + std::to_string(model.context) + '\n';
        text += "    " + show_overrides(model.timeouts) + "    " + show_resume(model.resume) + '\n';
    }
    text += config.aliases.empty() ? "aliases: {}\n" : "aliases:\n";
    for (const auto& [name, target] : config.aliases) text += "  " + scalar(name) + ": " + scalar(target) + '\n';
    text += "model_names: " + std::string(spelling_of(model_name_rules(), config.model_names)) + '\n';
    text += "fallback_on:\n  context_length: " + list(config.fallback_on.context_length) +
            "\n  content_policy: " + list(config.fallback_on.content_policy) + '\n';
    return text;
}

std::string show_patience(const Config& config) {
    const Retry& retry = config.retry;
    std::string text = "retry:\n  attempts: " + std::to_string(retry.attempts) +
                       "\n  per_target: " + std::to_string(retry.per_target) +
                       "\n  base: " + format_duration(retry.base) + "\n  cap: " + format_duration(retry.cap) +
                       "\n  deadline: {stream: " + format_duration(retry.deadline_stream) +
                       ", other: " + format_duration(retry.deadline_other) + "}\n";
    text += "timeouts:\n";
    for (const TimeoutField& field : timeout_fields()) {
        text += "  " + std::string(field.name) + ": " + format_duration(config.timeouts.*field.global) + '\n';
    }
    text += "stream:\n  commit_hold: " + format_duration(config.stream.commit_hold) +
            "\n  heartbeat: " + format_duration(config.stream.heartbeat) +
            "\n  assemble: " + std::string(spelling_of(assemblies(), config.stream.assemble)) + '\n';
    return text + show_resume(config.resume);
}

std::string show_process(const Config& config) {
    std::string text = "limits:\n  head: " + format_size(config.limits.head) +
                       "\n  body: " + format_size(config.limits.body) +
                       "\n  connections: " + std::to_string(config.limits.connections) +
                       "\n  memory: " + format_size(config.limits.memory) + '\n';
    text += "metrics:\n  listen: " + (config.metrics.listen ? scalar(config.metrics.listen->text) : "same") +
            "\n  model_labels: " + std::to_string(config.metrics.model_labels) + '\n';
    text += "log:\n  level: " + std::string(spelling_of(log_levels(), config.log.level)) +
            "\n  format: " + std::string(spelling_of(log_formats(), config.log.format)) + '\n';
    return text + "drain: " + format_duration(config.drain) + '\n';
}

}  // namespace

std::string scalar(std::string_view text) {
    if (is_plain(text)) return std::string(text);
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            quoted += '\\';
            quoted += c;
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
            quoted += escape;
        } else {
            quoted += c;
        }
    }
    return quoted + '"';
}

}  // namespace configuration

std::string show_config(const Config& config) {
    using namespace configuration;
    std::string text = "# The effective configuration: every default written out, every secret masked.\n";
    text += show_listeners(config) + "upstreams:\n";
    for (const auto& upstream : config.upstreams) text += show_upstream(*upstream);
    text += "default_upstream: " + scalar(config.default_upstream) + '\n';
    return text + show_models(config) + show_patience(config) + show_process(config);
}

}  // namespace streamkeeper
