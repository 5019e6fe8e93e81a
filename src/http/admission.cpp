#include "streamkeeper/admission.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "http/target.hpp"

namespace streamkeeper::http {

namespace {

std::string lower(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return result;
}

std::string host_of(std::string_view authority) {
    const std::size_t end = authority.starts_with('[') ? authority.find(']') + 1 : authority.find(':');
    return lower(authority.substr(0, end));
}

bool contains(const std::vector<std::string>& list, std::string_view text) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

bool loopback_host(std::string_view host) { return host == "localhost" || host == "127.0.0.1" || host == "[::1]"; }

/// Came through a tunnel or proxy: then the whole world may be behind this connection (contract, section 3).
bool forwarded(const Fields& fields) {
    return std::any_of(fields.all.begin(), fields.all.end(), [](const Field& field) {
        const std::string_view name = field.name;
        const char first = static_cast<char>(name.front() | 0x20);
        if (first != 'f' && first != 'x' && first != 'v' && first != 'c') return false;
        return equal_ignoring_case(name, "forwarded") || equal_ignoring_case(name, "x-real-ip") ||
               equal_ignoring_case(name, "via") || equal_ignoring_case(name.substr(0, 12), "x-forwarded-") ||
               equal_ignoring_case(name.substr(0, 3), "cf-");
    });
}

/// Takes the same time wherever the difference is.
bool same_secret(std::string_view a, std::string_view b) {
    unsigned char difference = a.size() == b.size() ? 0 : 1;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
        difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
    return difference == 0;
}

std::string_view bearer(std::string_view value) {
    if (value.size() < 7 || !equal_ignoring_case(value.substr(0, 7), "bearer ")) return {};
    value.remove_prefix(7);
    while (value.starts_with(' ')) value.remove_prefix(1);
    return value;
}

const Client* client_of(const Fields& fields, const std::vector<Client>& clients) {
    const std::array<std::string_view, 3> offered = {bearer(fields.get("authorization")), fields.get("x-api-key"),
                                                     fields.get("api-key")};
    const Client* found = nullptr;
    for (const Client& client : clients)
        for (const std::string_view token : offered)
            if (!token.empty() && same_secret(token, client.token.reveal()) && !found) found = &client;
    return found;
}

bool own_page(std::string_view path) { return path == "/" || path == "/metrics" || path.starts_with("/-/"); }
bool probe(std::string_view path) { return path == "/healthz" || path == "/readyz"; }

Refusal not_found(std::string message) { return {404, "not_found", std::move(message)}; }

std::optional<Refusal> judge_host(const std::string& host, const RequestHead& head, const AdmissionRules& rules) {
    const std::string_view field = head.fields.get("host");  // differs only from an absolute-form target
    const bool same = field.data() == head.authority.data();
    const bool fine = contains(rules.hosts, host) && (same || contains(rules.hosts, host_of(field)));
    if (fine) return std::nullopt;
    return Refusal{
        421, "host_not_allowed",
        "the Host '" + host + "' is not allowed here; add it to allowed_hosts in streamkeeper's configuration"};
}

std::optional<Refusal> judge_own_page(const std::string& host, const RequestHead& head, const AdmissionRules& rules) {
    const bool answers = rules.loopback && loopback_host(host) && !forwarded(head.fields);
    const bool here = head.path == "/metrics" ? rules.metrics_only || !rules.metrics_elsewhere : !rules.metrics_only;
    if (!answers || !here) return not_found("nothing here");
    return std::nullopt;
}

/// Origins that no web page can have (`vscode-webview:` and the like) count as allowed.
bool origin_allowed(std::string_view origin, const AdmissionRules& rules) {
    const std::string text = lower(origin);
    const bool web = text == "null" || text.starts_with("http://") || text.starts_with("https://");
    return !web || contains(rules.origins, text);
}

std::optional<Refusal> judge_origin(const RequestHead& head, const AdmissionRules& rules, std::string_view& allowed) {
    for (const Field& field : head.fields.all) {
        if (!equal_ignoring_case(field.name, "origin")) continue;
        if (!origin_allowed(field.value, rules))
            return Refusal{403, "origin_not_allowed",
                           "the web origin '" + std::string(field.value) +
                               "' is not allowed; add it to allowed_origins in streamkeeper's configuration"};
        allowed = field.value;
    }
    if (head.fields.has("origin")) return std::nullopt;
    const std::string_view site = head.fields.get("sec-fetch-site");
    if (equal_ignoring_case(site, "cross-site") || equal_ignoring_case(site, "same-site"))
        return Refusal{403, "origin_not_allowed", "a web page of another site sent this request (Sec-Fetch-Site)"};
    return std::nullopt;
}

std::optional<Refusal> judge_token(const RequestHead& head, const AdmissionRules& rules, std::string& client) {
    if (rules.clients.empty()) {
        if (!forwarded(head.fields)) return std::nullopt;
        return Refusal{
            401, "streamkeeper_token",
            "this request came through a tunnel or proxy; configure clients with a token, and send it as the API key"};
    }
    const Client* const found = client_of(head.fields, rules.clients);
    if (!found)
        return Refusal{
            401, "streamkeeper_token",
            "the client token is missing or wrong; send streamkeeper's token (not the vendor's key) as the API key"};
    client = found->name;
    return std::nullopt;
}

std::optional<Refusal> judge_method(const RequestHead& head, bool read_only) {
    static constexpr std::array<std::string_view, 7> known = {"GET",   "HEAD",   "POST",   "PUT",
                                                              "PATCH", "DELETE", "OPTIONS"};
    const bool fine = read_only ? head.method == "GET" || head.method == "HEAD"
                                : std::find(known.begin(), known.end(), head.method) != known.end();
    if (fine) return std::nullopt;
    return Refusal{405, "method_not_allowed",
                   read_only ? "this page is read-only: GET or HEAD"
                             : "allowed methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"};
}

std::variant<Admitted, Refusal> admit_own(const RequestHead& head, Admitted admitted) {
    if (std::optional<Refusal> refusal = judge_method(head, true)) return std::move(*refusal);
    if (std::optional<Refusal> refusal = judge_path(head.path)) return std::move(*refusal);
    if (head.path == "/metrics")
        admitted.surface = Surface::metrics;
    else if (head.path == "/healthz")
        admitted.surface = Surface::healthz;
    else if (head.path == "/readyz")
        admitted.surface = Surface::readyz;
    else if (head.path == "/-/status")
        admitted.surface = Surface::status;
    else
        return not_found("no such page; /-/status, /metrics, /healthz and /readyz are");
    return admitted;
}

/// Multipart and binary bodies are passed through even on a policy path; everything else there is meant as JSON.
bool json_body(const Fields& fields) {
    const std::string_view type = fields.get("content-type");
    const auto is = [type](std::string_view kind) { return equal_ignoring_case(type.substr(0, kind.size()), kind); };
    return !is("multipart/") && !is("application/octet-stream");
}

std::variant<Admitted, Refusal> admit_proxied(const RequestHead& head, Admitted admitted) {
    if (std::optional<Refusal> refusal = judge_method(head, false)) return std::move(*refusal);
    if (std::optional<Refusal> refusal = judge_path(head.path)) return std::move(*refusal);
    std::optional<ApiPath> path = api_path(head.path);
    if (!path)
        return not_found("'" + std::string(head.path) +
                         "' is no path of an OpenAI-compatible API; use a base URL that ends in /v1");
    admitted.upstream = head.fields.has("x-streamkeeper-upstream")
                            ? std::string(head.fields.get("x-streamkeeper-upstream"))
                            : std::move(path->upstream);
    admitted.suffix = std::move(path->suffix);
    admitted.query = query_without_credentials(head.query);
    const Endpoint endpoint = endpoint_of(admitted.suffix);
    if (head.method == "GET" && endpoint == Endpoint::models && admitted.upstream.empty())
        admitted.surface = Surface::models;
    const bool policy_endpoint = endpoint != Endpoint::other && endpoint != Endpoint::models;
    admitted.policy = policy_endpoint && head.method == "POST" && json_body(head.fields);
    admitted.endpoint = admitted.policy || endpoint == Endpoint::models ? endpoint : Endpoint::other;
    return admitted;
}

}  // namespace

AdmissionRules admission_rules(const Config& config, const ListenAddress& listener, bool metrics_only) {
    AdmissionRules rules;
    rules.hosts = {"localhost", "127.0.0.1", "[::1]"};
    const auto add = [&rules](const ListenAddress& address) {
        if (address.kind != ListenAddress::Kind::tcp) return;
        const bool v6 = address.host.find(':') != std::string::npos;
        rules.hosts.push_back(v6 ? "[" + lower(address.host) + "]" : lower(address.host));
    };
    for (const ListenAddress& address : config.listen) add(address);
    if (config.metrics.listen) add(*config.metrics.listen);
    for (const std::string& host : config.allowed_hosts) rules.hosts.push_back(host_of(host));
    for (const std::string& origin : config.allowed_origins) rules.origins.push_back(lower(origin));
    rules.clients = config.clients;
    rules.loopback = listener.loopback();
    rules.metrics_only = metrics_only;
    rules.metrics_elsewhere = config.metrics.listen.has_value();
    return rules;
}

std::variant<Admitted, Refusal> admit(const RequestHead& head, const AdmissionRules& rules) {
    const std::string host = host_of(head.authority);
    if (std::optional<Refusal> refusal = judge_host(host, head, rules)) return std::move(*refusal);
    const bool own = own_page(head.path);
    if (own || rules.metrics_only)
        if (std::optional<Refusal> refusal = judge_own_page(host, head, rules)) return std::move(*refusal);
    Admitted admitted;
    if (std::optional<Refusal> refusal = judge_origin(head, rules, admitted.origin)) return std::move(*refusal);
    if (head.method == "OPTIONS" && !admitted.origin.empty() && head.fields.has("access-control-request-method")) {
        admitted.surface = Surface::preflight;
        return admitted;
    }
    if (own || probe(head.path)) return admit_own(head, std::move(admitted));
    if (std::optional<Refusal> refusal = judge_token(head, rules, admitted.client)) return std::move(*refusal);
    return admit_proxied(head, std::move(admitted));
}

}  // namespace streamkeeper::http
