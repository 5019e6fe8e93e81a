// What streamkeeper itself says to a client: heads, errors, pages.
#include <algorithm>
#include <charconv>

#include "net/exchange.hpp"
#include "streamkeeper/forwarding.hpp"

namespace streamkeeper::net {

using namespace std::string_view_literals;

namespace {

void append_milliseconds(std::string& out, std::string_view name, Clock::duration time) {
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    if (micros == 0) {  // most connections are pooled
        out.append(name).append(";dur=0.000"sv);
        return;
    }
    char text[32];
    char* const end = std::to_chars(text, text + 24, micros / 1000).ptr;
    const auto rest = static_cast<int>(micros % 1000);
    const char fraction[] = {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                             static_cast<char>('0' + rest % 10)};
    out.append(name).append(";dur=", 5).append(text, end).append(fraction, 4);
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
    if (!value.empty()) out.append(name).append(": "sv).append(value).append("\r\n"sv);
}

/// Header values are ASCII without control bytes; a model's name may be anything.
std::string header_safe(std::string_view text) {
    std::string safe(text.substr(0, 256));
    for (char& c : safe)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
    return safe;
}

void append_connection(std::string& out, const Exchange& exchange) {
    if (!exchange.keep_alive) {
        out.append("Connection: close\r\n");
    } else {
        // A client that believes this closes first, and so never meets our own close (architecture.md, "Client gone").
        const auto seconds =
            std::chrono::duration_cast<std::chrono::seconds>(exchange.config->timeouts.client_keepalive).count();
        if (exchange.config->timeouts.client_keepalive != no_limit)
            out.append("Keep-Alive: timeout="sv)
                .append(std::to_string(std::max<long>(1, seconds * 2 / 3)))
                .append("\r\n");
    }
}

void append_cors(std::string& out, std::string_view origin) {
    if (origin.empty()) return;
    append_field(out, "Access-Control-Allow-Origin", origin);
    out.append("Access-Control-Expose-Headers: *\r\nVary: Origin\r\n");
}

void append_own_fields(std::string& out, const Exchange& exchange, bool timing) {
    const Record& record = exchange.record;
    append_field(out, "x-streamkeeper-request-id"sv, record.id);
    append_field(out, "x-streamkeeper-upstream"sv, record.upstream);
    append_field(out, "x-streamkeeper-model"sv, header_safe(record.model));
    if (record.proxied && !record.upstream.empty())
        append_field(out, "x-streamkeeper-attempts"sv, std::to_string(record.attempts.size() + (timing ? 1 : 0)));
    append_field(out, "x-streamkeeper-key"sv, record.key);
    append_field(out, "x-streamkeeper-fallback"sv, record.fallback);
    if (!timing) return;
    Clock::duration waited{0};
    for (const WaitRecord& wait : record.waits) waited += wait.took;
    append_milliseconds(out, "Server-Timing: queue"sv, waited);
    append_milliseconds(out, ", connect"sv, record.connect);
    append_milliseconds(out, ", tls"sv, record.tls);
    append_milliseconds(out, ", upstream"sv, record.upstream_wait);
    append_milliseconds(out, ", streamkeeper"sv, exchange.session.own - exchange.own_before);
    out.append("\r\n"sv);
}

/// Takes a field out of a head; `name` ends with its colon.
void drop_field(std::string& head, std::string_view name) {
    for (std::size_t at = 0; (at = head.find("\r\n", at)) != std::string::npos;) {
        if (http::equal_ignoring_case(std::string_view(head).substr(at + 2, name.size()), name))
            head.erase(at, head.find("\r\n", at + 2) - at);
        else
            at += 2;
    }
}

std::string_view error_type(int status) {
    switch (status) {
        case 401: return "authentication_error";
        case 402: return "billing_error";
        case 403: return "permission_error";
        case 429: return "rate_limit_error";
        default: return status < 500 ? "invalid_request_error" : "server_error";
    }
}

std::string message_of(const Exchange& exchange, const Action& action, const Outcome* last) {
    std::string who = exchange.record.upstream.empty() ? "streamkeeper" : exchange.record.upstream;
    if (!action.message.empty()) return who.append(": ").append(action.message);
    if (last && !last->error.message.empty()) return who + ": " + last->error.message;
    if (last && !last->detail.empty()) return who + ": " + last->detail;
    return who + ": " + std::to_string(action.status) + " " + std::string(http::reason_phrase(action.status));
}

}  // namespace

std::vector<std::string_view> secrets_of(const Config& config) {
    std::vector<std::string_view> secrets;
    for (const std::shared_ptr<const Upstream>& upstream : config.upstreams)
        for (const Key& key : upstream->keys) secrets.push_back(key.secret.reveal());
    for (const Client& client : config.clients) secrets.push_back(client.token.reveal());
    return secrets;
}

void Exchange::refuse_unread(Session& session, const http::Refusal& refusal) {
    ApiError error;
    error.status = refusal.status;
    error.type = "invalid_request_error";
    error.code = refusal.code;
    error.message = refusal.message;
    error.request_id = session.core.next_request_id();
    const std::string text = render_error(Endpoint::other, error);
    std::string out;
    http::append_status_line(out, refusal.status);
    append_field(out, "Content-Type"sv, "application/json");
    append_field(out, "Content-Length"sv, std::to_string(text.size()));
    append_field(out, "x-streamkeeper-request-id"sv, error.request_id);
    out.append("Connection: close\r\n\r\n").append(text);
    ClientWriter(session.client).send(out);
    Record record;
    record.id = error.request_id;
    record.status = refusal.status;
    record.code = refusal.code;
    record.ending = Ending::error;
    record.began = record.ended = Clock::now();
    record.config = session.core.config;
    if (session.core.hooks.record) session.core.hooks.record(record);
}

void Exchange::send_page(int status, std::string_view content_type, std::string_view text,
                         std::string_view more_fields) {
    std::string bytes;
    http::append_status_line(bytes, status);
    append_field(bytes, "Content-Type"sv, content_type);
    if (status != 204) append_field(bytes, "Content-Length"sv, std::to_string(text.size()));
    append_own_fields(bytes, *this, false);
    append_cors(bytes, asked.origin);
    append_connection(bytes, *this);
    bytes.append(more_fields).append("\r\n");
    if (head.method != "HEAD") bytes.append(text);
    out.send(bytes);
    committed = true;
    record.status = status;
}

void Exchange::send_refusal(const http::Refusal& refusal) {
    ApiError error;
    error.status = refusal.status;
    error.type = error_type(refusal.status);
    error.code = refusal.code;
    error.message = refusal.message;
    if (!body_read) keep_alive = false;
    send_api_error(std::move(error));
}

/// What every error made of an outcome says, before and after the commit.
ApiError Exchange::error_of(const Action& action, const Outcome* last) const {
    ApiError error;
    error.status = action.status;
    // An error that is ours, such as a gate's, is not called by the vendor's names.
    const bool vendors = last && action.message.empty();
    error.type = vendors && !last->error.type.empty() ? last->error.type : std::string(error_type(action.status));
    error.code = action.code.empty() && vendors ? last->error.code : std::string(action.code);
    error.message = message_of(*this, action, last);
    error.reason = action.reason;
    error.hint = action.hint;
    return error;
}

void Exchange::send_error(const Action& action, const Outcome* last) {
    ApiError error = error_of(action, last);
    if (last && action.message.empty() && !last->error.param.empty()) error.param = last->error.param;
    if (last) error.vendor_body = last->vendor_body;
    for (const AttemptRecord& attempt : record.attempts)
        error.attempts.push_back(
            {attempt.upstream, attempt.key, attempt.status, std::string(attempt.reason), attempt.took.count()});
    error.retry_after = action.retry_after;
    send_api_error(std::move(error));
}

void Exchange::send_api_error(ApiError error) {
    error.request_id = record.id;
    error.upstream = record.upstream;
    error.model = record.model;
    const std::string text = render_error(asked.endpoint, error, secrets_of(*config));
    std::string more;
    if (error.retry_after)
        append_field(more, "Retry-After", std::to_string(*error.retry_after));
    else
        append_field(more, "x-should-retry", "false");
    if (error.status == 405) append_field(more, "Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    record.code = error.code;
    record.ending = Ending::error;
    send_page(error.status, "application/json", text, more);
}

http::Framing Exchange::open_framing() const {
    return {head.minor == 1 ? http::Framing::Kind::chunked : http::Framing::Kind::until_close, 0};
}

void Exchange::append_early_fields(std::string& bytes) const {
    append_field(bytes, "x-streamkeeper-request-id"sv, record.id);
    append_cors(bytes, asked.origin);
    if (head.minor == 1) bytes.append("Transfer-Encoding: chunked\r\n"sv);
    append_connection(bytes, *this);
    bytes.append("\r\n"sv);
}

std::string Exchange::answer_head(const Leg& leg, const http::Framing& framing, std::string_view content_type) {
    const http::ResponseHead& from = leg.answer->head();
    std::string bytes;
    bytes.reserve(512 + from.size);
    http::append_status_line(bytes, from.status, from.reason);
    const bool bodyless = head.method == "HEAD" || from.status == 204 || from.status == 304;
    http::append_client_fields(bytes, from, bodyless && from.status != 204);
    // What it was encoded with was undone here, so its head must not say otherwise.
    if (asked.policy && from.fields.has("content-encoding")) drop_field(bytes, "content-encoding:");
    if (!content_type.empty()) {
        drop_field(bytes, "content-type:");
        append_field(bytes, "Content-Type"sv, content_type);
    }
    chunked_out = framing.kind == http::Framing::Kind::chunked;
    if (framing.kind == http::Framing::Kind::until_close) keep_alive = false;
    if (chunked_out)
        bytes.append("Transfer-Encoding: chunked\r\n"sv);
    else if (!bodyless && framing.kind != http::Framing::Kind::until_close)
        append_field(bytes, "Content-Length"sv, std::to_string(framing.length));
    append_own_fields(bytes, *this, true);
    append_cors(bytes, asked.origin);
    append_connection(bytes, *this);
    bytes.append("\r\n"sv);
    committed = true;
    record.status = from.status;
    return bytes;
}

Task<bool> Exchange::flush() {
    out.flush();
    if (!out.pending()) co_return !out.failed();
    // While the client is slow the upstream is not read, so its silence and its lack of progress prove nothing.
    const TimePoint began = Clock::now();
    session.deadlines.clear(Deadline::first_byte);
    session.deadlines.clear(Deadline::stream_idle);
    session.deadlines.set(Deadline::client_body, began, config->timeouts.client_keepalive);
    while (out.pending()) {
        const Wake why = co_await session.wait();
        session.client.watch().take_writable();
        const bool took = out.flush();
        if (out.failed() || why == Wake::client_gone || why == Wake::shutdown) co_return false;
        if (took)
            session.deadlines.set(Deadline::client_body, Clock::now(), config->timeouts.client_keepalive);
        else if (session.deadlines.passed(Deadline::client_body, Clock::now()))
            co_return false;
    }
    session.deadlines.clear(Deadline::client_body);
    session.deadlines.postpone(Deadline::stream_progress, Clock::now() - began);
    co_return !out.failed();
}

}  // namespace streamkeeper::net
