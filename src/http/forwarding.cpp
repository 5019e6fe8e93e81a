#include "streamkeeper/forwarding.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace streamkeeper::http {

namespace {

bool is_one_of(std::string_view name, std::span<const std::string_view> list) {
    return std::any_of(list.begin(), list.end(),
                       [&](std::string_view other) { return equal_ignoring_case(name, other); });
}

bool begins_with(std::string_view name, std::string_view prefix) {
    return name.size() >= prefix.size() && equal_ignoring_case(name.substr(0, prefix.size()), prefix);
}

/// Fields that speak of one connection only (RFC 9110, 7.6.1).
constexpr std::array<std::string_view, 9> hop_by_hop = {
    "connection", "keep-alive", "proxy-connection",   "transfer-encoding", "te",
    "trailer",    "upgrade",    "proxy-authenticate", "http2-settings"};

constexpr std::array<std::string_view, 16> not_upstream = {
    "host",           "content-length", "authorization",   "proxy-authorization",
    "api-key",        "x-api-key",      "x-goog-api-key",  "openai-organization",
    "openai-project", "cookie",         "origin",          "referer",
    "expect",         "forwarded",      "accept-encoding", "x-real-ip"};

constexpr std::array<std::string_view, 7> not_to_client = {
    "set-cookie", "alt-svc", "strict-transport-security", "clear-site-data", "nel", "report-to", "content-length"};

/// The first letter decides for most fields, and none of the lists is asked.
bool dropped_upstream(std::string_view name, bool policy, bool upgrade) {
    switch (name.front() | 0x20) {
        case 's':
            if (upgrade && begins_with(name, "sec-websocket-")) return false;
            return begins_with(name, "sec-");
        case 'x':
            return begins_with(name, "x-streamkeeper-") || begins_with(name, "x-forwarded-") ||
                   is_one_of(name, not_upstream);
        case 'v': return equal_ignoring_case(name, "via");
        case 'c':
            if (begins_with(name, "cf-")) return true;
            break;
        case 'a':
            if (equal_ignoring_case(name, "accept-encoding")) return policy;
            break;
        default: break;
    }
    return is_one_of(name, not_upstream) || is_one_of(name, hop_by_hop);
}

/// Upper bound of `Connection` lines looked at for each field; the list is nearly always one token.
bool named_by_connection(const Fields& fields, std::string_view name, bool has_connection) {
    return has_connection && fields.lists("connection", name);
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ", 2).append(value).append("\r\n", 2);
}

void append_credentials(std::string& out, const Upstream& upstream, const Key* key) {
    if (!key) return;
    switch (upstream.auth) {
        case AuthStyle::bearer: out.append("Authorization: Bearer ").append(key->secret.reveal()).append("\r\n"); break;
        case AuthStyle::x_api_key: append_field(out, "x-api-key", key->secret.reveal()); break;
        case AuthStyle::api_key: append_field(out, "api-key", key->secret.reveal()); break;
        case AuthStyle::none: break;
    }
}

bool dropped_to_client(std::string_view name) {
    switch (name.front() | 0x20) {
        case 'c':
        case 's':
        case 'n':
        case 'r':
        case 'k':
        case 'p':
        case 't':
        case 'u':
        case 'h': break;
        case 'a': return equal_ignoring_case(name, "alt-svc") || begins_with(name, "access-control-");
        case 'x': return begins_with(name, "x-streamkeeper-");
        default: return false;
    }
    return is_one_of(name, not_to_client) || is_one_of(name, hop_by_hop);
}

}  // namespace

std::string upstream_head(const RequestHead& from, const UpstreamHead& to) {
    std::string out;
    out.reserve(from.size + 256);
    out.append(to.method).append(" ").append(to.target).append(" HTTP/1.1\r\n");
    append_field(out, "Host", to.upstream->base_url.authority());
    append_credentials(out, *to.upstream, to.key);
    const bool has_connection = from.fields.has("connection");
    for (const Field& field : from.fields.all) {
        if (dropped_upstream(field.name, to.policy, to.upgrade)) continue;
        if (!to.same_request && equal_ignoring_case(field.name, "idempotency-key")) continue;
        if (named_by_connection(from.fields, field.name, has_connection)) continue;
        append_field(out, field.name, field.value);
    }
    if (to.policy) out.append("Accept-Encoding: identity\r\n");
    if (to.upgrade) out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n");
    if (to.body.kind == Framing::Kind::chunked) {
        out.append("Transfer-Encoding: chunked\r\n");
    } else if (to.body.kind == Framing::Kind::length || to.method == "POST" || to.method == "PUT" ||
               to.method == "PATCH") {
        append_field(out, "Content-Length", std::to_string(to.body.length));
    }
    out.append("\r\n");
    return out;
}

void append_client_fields(std::string& out, const ResponseHead& from, bool same_length) {
    const bool has_connection = from.fields.has("connection");
    for (const Field& field : from.fields.all) {
        if (dropped_to_client(field.name)) {
            if (!same_length || !equal_ignoring_case(field.name, "content-length")) continue;
        } else if (named_by_connection(from.fields, field.name, has_connection)) {
            continue;
        }
        append_field(out, field.name, field.value);
    }
}

void append_status_line(std::string& out, int status, std::string_view reason) {
    const char digits[] = {static_cast<char>('0' + status / 100), static_cast<char>('0' + status / 10 % 10),
                           static_cast<char>('0' + status % 10), ' '};
    out.append("HTTP/1.1 ", 9)
        .append(digits, 4)
        .append(reason.empty() ? reason_phrase(status) : reason)
        .append("\r\n", 2);
}

std::string_view reason_phrase(int status) {
    switch (status) {
        case 101: return "Switching Protocols";
        case 200: return "OK";
        case 204: return "No Content";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 402: return "Payment Required";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 413: return "Content Too Large";
        case 417: return "Expectation Failed";
        case 421: return "Misdirected Request";
        case 426: return "Upgrade Required";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        default: return status < 400 ? "OK" : "Error";
    }
}

}  // namespace streamkeeper::http
