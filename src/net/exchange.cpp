// The life of one request: read the body, plan, try, record.
#include "net/exchange.hpp"

#include "net/resumption.hpp"

#include <algorithm>
#include <charconv>

namespace streamkeeper::net {

namespace {

constexpr std::size_t largest_read = 256u << 10;

/// The field names of a request's head, without a value: one of them is the key.
std::string sent_names(std::string_view head) {
    std::string names;
    for (std::size_t at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at + 2)) {
        const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
        if (const std::size_t colon = line.find(':'); colon != line.npos)
            names.append(names.empty() ? "" : ", ").append(line.substr(0, colon));
    }
    return names;
}

std::string received_names(const http::ResponseHead& head) {
    std::string names;
    for (const http::Field& field : head.fields.all) names.append(names.empty() ? "" : ", ").append(field.name);
    return names;
}

http::Refusal bad_override(std::string name, const std::string& example) {
    return {400, "invalid_parameter", name + " must be a duration such as " + example};
}

/// Whether a field of ours, or of the Stainless SDKs, is there at all: most clients send none.
bool has_wishes(const http::RequestHead& head) {
    for (const http::Field& field : head.fields.all)
        if (field.name.size() > 12 && (field.name[0] | 0x20) == 'x' && (field.name[2] | 0x20) == 's' &&
            (field.name[3] | 0x20) == 't')
            return true;
    return false;
}

/// `x-stainless-timeout`: how many seconds the client's SDK waits for an answer.
Duration stainless_timeout(const http::RequestHead& head) {
    const std::string_view text = head.fields.get("x-stainless-timeout");
    double seconds = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
    const bool number = !text.empty() && error == std::errc() && end == text.data() + text.size();
    if (!number || !(seconds > 0) || seconds > 1e7) return no_limit;
    return Duration(static_cast<std::int64_t>(seconds * 1000));
}

std::optional<ResumeMode> resume_mode(std::string_view text) {
    if (text == "off") return ResumeMode::off;
    if (text == "exact") return ResumeMode::exact;
    if (text == "whole") return ResumeMode::whole;
    return std::nullopt;
}

std::optional<std::string_view> fallback_header(const http::RequestHead& head) {
    if (!head.fields.has("x-streamkeeper-fallback")) return std::nullopt;
    return head.fields.get("x-streamkeeper-fallback");
}

/// Characters of UTF-8 are not cut in two.
void bound(std::string& text, std::size_t most) {
    if (text.size() <= most) return;
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0U) == 0x80U) --most;
    text.resize(most);
    text.shrink_to_fit();
}

/// Names whose size the outside decides are kept for the status page and the log: a part of each is enough. A vendor's
/// code is its own text, and could name the key.
void bound_record(Record& record) {
    if (!record.code.empty()) record.code = mask_secrets(std::move(record.code), secrets_of(*record.config));
    for (std::string* const text : {&record.model_asked, &record.model, &record.code, &record.path}) bound(*text, 256);
    for (AttemptRecord& attempt : record.attempts) bound(attempt.model, 256);
}

}  // namespace

std::string attempt_line(const Record& record, const AttemptRecord& attempt, const Leg& leg) {
    std::string line = record.id + " attempt " + std::to_string(record.attempts.size()) + ": " + attempt.upstream;
    if (!attempt.key.empty()) line += ", key " + attempt.key;
    line += leg.reused ? ", pooled connection" : ", new connection";
    line += attempt.status ? ", status " + std::to_string(attempt.status) : ", no answer";
    if (!attempt.reason.empty()) line.append(", ").append(attempt.reason);
    line += ", " + std::to_string(attempt.took.count()) + " ms";
    if (leg.request) line += "; sent: " + sent_names(leg.request->head());
    if (attempt.status) line += "; received: " + received_names(leg.answer->head());
    return line;
}

Exchange::Exchange(Session& the_session, std::shared_ptr<const Config> the_config, const http::RequestHead& from)
    : session(the_session),
      core(the_session.core),
      config(std::move(the_config)),
      head_bytes(the_session.in.view().substr(0, from.size)),
      head(from),
      out(the_session.client),
      keep_alive(from.keep_alive),
      body_read(from.body.kind == http::Framing::Kind::none),
      own_before(the_session.own) {
    http::rebase(head, session.in.view().substr(0, from.size), head_bytes.data());
    session.in.consume(from.size);
    if (session.in.empty()) session.in.release();
    record.id = core.next_request_id();
    record.began = Clock::now();
    record.method = head.method;
    wishes = has_wishes(head);
    record.config = config;
}

Exchange::~Exchange() {
    session.answering = nullptr;
    if (asked_of) core.request_ended(asked_of->config().name);
}

Task<bool> Exchange::run() {
    keep_alive = keep_alive && !core.draining();
    const bool admitted = admit();
    const bool own_page = admitted && !record.proxied;
    if (own_page) {
        co_await answer_own();
    } else if (admitted && asked.surface == http::Surface::models) {
        co_await answer_models();
    } else if (admitted) {
        bool planned = false;
        if (asked.policy)
            planned = co_await plan_policy();
        else
            planned = plan_pass_through();
        if (planned) co_await loop_attempts();
    }
    if (!client_gone) {
        const bool taken = co_await flush();
        if (!taken) client_gone = !aborted && !shown_whole && record.ending == Ending::ok;
    }
    if (client_gone) {
        if (early && record.stream_end.empty()) record.stream_end = "client_closed";
        record.ending = Ending::client_closed;
        record.status = 499;
        keep_alive = false;
    }
    record.ended = Clock::now();
    session.answering = nullptr;
    session.deadlines.clear_all();
    record.own = session.own - own_before;
    record.bytes_out = out.bytes();
    bound_record(record);
    if (record.policy && (record.ending == Ending::error || record.ending == Ending::aborted))
        core.note_failed(body_print ? *body_print : core.fingerprint(record.client, body.view()));
    if (!own_page && core.hooks.record) core.hooks.record(record);
    if (!body_read) keep_alive = false;
    co_return keep_alive && !out.failed();
}

void Exchange::free_body(const Leg& leg) {
    const bool sent = leg.request && leg.request->state() == RequestPump::State::done;
    if (!sent || body_print) return;  // else it is still being sent
    body_print = core.fingerprint(record.client, body.view());
    body.release();
    body_reservation.shrink(0);
}

bool Exchange::admit() {
    std::variant<http::Admitted, http::Refusal> verdict = http::admit(head, *session.rules->now);
    if (http::Refusal* const refusal = std::get_if<http::Refusal>(&verdict)) {
        send_refusal(*refusal);
        return false;
    }
    asked = std::move(std::get<http::Admitted>(verdict));
    record.client = asked.client;
    record.endpoint = asked.endpoint;
    record.policy = asked.policy;
    record.path = asked.suffix;
    record.proxied = asked.surface == http::Surface::proxied || asked.surface == http::Surface::models;
    if (!head.websocket || asked.suffix != "/responses") return true;
    send_page(
        426, "application/json",
        R"({"error":{"message":"no WebSocket here: use HTTP","type":"invalid_request_error","code":"upgrade_required","param":null}})",
        "Connection: Upgrade\r\nUpgrade: HTTP/1.1\r\n");  // RFC 9110, 7.8 and 15.5.22
    return false;
}

Task<void> Exchange::answer_own() {
    if (asked.surface == http::Surface::preflight) {
        std::string more = "Access-Control-Allow-Methods: GET, POST\r\n";
        const std::string_view wanted = head.fields.get("access-control-request-headers");
        if (!wanted.empty()) more.append("Access-Control-Allow-Headers: ").append(wanted).append("\r\n");
        send_page(204, {}, {}, more);
        co_return;
    }
    const Page page =
        core.hooks.page ? core.hooks.page(asked.surface) : Page{404, "text/plain; charset=utf-8", "nothing here\n"};
    send_page(
        page.status, page.content_type, page.body,
        "X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\nCache-Control: no-store\r\n"
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n");
}

Task<bool> Exchange::wait_for_budget(Bytes bytes) {
    if (core.budget.try_take(BudgetKind::bodies, bytes)) {
        body_reservation = Reservation(core.budget, BudgetKind::bodies, bytes);
        co_return true;
    }
    // Nothing is read meanwhile: the bytes wait in the client's own socket (back pressure).
    bool granted = false;
    const Budget::Ticket ticket =
        core.budget.wait(BudgetKind::bodies, bytes, [&granted, self = session.shared_from_this()] {
            granted = true;
            self->wake_later();
        });
    session.read_up_to(0);
    while (!granted) {
        const Wake why = co_await session.wait();
        if (granted || why == Wake::ready || why == Wake::deadline) continue;
        core.budget.leave(ticket);
        client_gone = true;
        break;
    }
    session.read_up_to(64u << 10);
    if (!granted) co_return false;
    body_reservation = Reservation(core.budget, BudgetKind::bodies, bytes);
    co_return true;
}

void Exchange::take_body(http::BodyDecoder& decoder) {
    session.fill();
    std::string_view unread = session.in.view();
    const std::size_t before = unread.size();
    while (!unread.empty() && !decoder.done() && !decoder.broken()) body.append(decoder.next(unread));
    session.in.consume(before - unread.size());
    // The rest of a body of known length goes where it belongs without a copy.
    while (head.body.kind == http::Framing::Kind::length && !decoder.done() && session.in.empty()) {
        const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(decoder.remaining(), largest_read));
        char* const to = body.prepare(room);
        std::string_view run(to, session.read_into(to, room));
        if (run.empty()) break;
        body.commit(run.size());
        decoder.next(run);
    }
}

Task<std::optional<http::Refusal>> Exchange::read_whole_body() {
    const Bytes most = std::min<Bytes>(config->limits.body, core.budget.total() / 2);
    const bool chunked = head.body.kind == http::Framing::Kind::chunked;
    const http::Refusal too_large{
        413, "request_too_large",
        "the request body is larger than " + std::to_string(most) + " bytes (limits.body, and half of limits.memory)"};
    if (head.body.length > most) co_return too_large;
    // A chunked body does not say how large it will be: room for the largest is taken, and given back when it is known.
    const Bytes reserved = chunked ? most : head.body.length;
    const bool fits = co_await wait_for_budget(reserved);
    if (!fits) co_return std::nullopt;
    if (head.expect_continue && session.in.empty()) out.send("HTTP/1.1 100 Continue\r\n\r\n");
    http::BodyDecoder decoder(head.body);
    if (!chunked) body.reserve(head.body.length);
    session.read_directly(!chunked && head.body.length > session.in.size());
    std::optional<http::Refusal> refusal;
    for (;;) {
        take_body(decoder);
        if (decoder.broken())
            refusal = http::Refusal{400, "bad_request",
                                    "the chunked framing of the request's body is broken (RFC 9112, 7.1)"};
        else if (body.size() > most)
            refusal = too_large;
        if (decoder.done() || refusal) break;
        client_gone = session.client_ended();  // seen by `read_into`: no wait would tell it again
        if (client_gone) break;
        session.deadlines.set(Deadline::client_body, core.reactor.now(), config->timeouts.client_body_idle);
        const Wake why = co_await session.wait();
        client_gone = why == Wake::client_gone || why == Wake::shutdown;
        if (client_gone) break;
        if (why != Wake::deadline) continue;
        refusal = http::Refusal{408, "request_timeout", "the request's body stopped for timeouts.client_body_idle"};
        break;
    }
    session.read_directly(false);
    session.deadlines.clear(Deadline::client_body);
    if (session.in.empty()) session.in.release();
    body_read = decoder.done();
    record.bytes_in = body.size();
    body_reservation.shrink(std::max<Bytes>(body.size(), 1));
    co_return refusal;
}

Task<bool> Exchange::plan_policy() {
    std::optional<http::Refusal> refusal = co_await read_whole_body();
    if (client_gone) co_return false;
    if (!refusal) refusal = read_facts();
    if (!refusal) refusal = read_overrides();
    if (refusal) {
        send_refusal(*refusal);
        co_return false;
    }
    record.model_asked = facts.model;
    if (wanted_dialect() && config->stream.commit_hold != no_limit) {
        session.answering = this;
        session.deadlines.set(Deadline::heartbeat, record.began, config->stream.commit_hold);
    }
    if (needs_default_list(*config, asked.upstream, facts.model)) {
        const std::shared_ptr<const Upstream> preferred = config->upstream_ptr(default_name(*config));
        co_await refresh_models(preferred, Need::routing);
    }
    if (client_gone) co_return false;
    if (session.ending()) {
        conclude(stopping(), nullptr);
        co_return false;
    }
    co_return make_policy_plan();
}

std::optional<http::Refusal> Exchange::read_facts() {
    std::string_view coding = head.fields.get("content-encoding");
    if (!coding.empty() && !http::equal_ignoring_case(coding, "identity"))
        return http::Refusal{
            415, "unsupported_content_encoding",
            "the request body is encoded as '" + std::string(coding.substr(0, 32)) + "'; send it as it is"};
    std::variant<BodyFacts, http::Refusal> read = streamkeeper::read_body(body.view());
    if (http::Refusal* const problem = std::get_if<http::Refusal>(&read)) return std::move(*problem);
    facts = std::move(std::get<BodyFacts>(read));
    return std::nullopt;
}

bool Exchange::make_policy_plan() {
    const auto in_list = [this](std::string_view id) {
        return core.state_of(config->upstream_ptr(default_name(*config)))->models.has(id);
    };
    std::variant<streamkeeper::Route, http::Refusal> chosen =
        streamkeeper::route(*config, asked.upstream, facts.model, in_list);
    if (const http::Refusal* const unknown = std::get_if<http::Refusal>(&chosen)) {
        if (!committed) {
            send_refusal(*unknown);
            return false;
        }
        Action action;  // the list took too long
        action.kind = Action::Kind::fail;
        action.status = unknown->status;
        action.code = action.reason = unknown->code;
        action.message = unknown->message;
        give_up(action, nullptr);
        return false;
    }
    const streamkeeper::Route& route = std::get<streamkeeper::Route>(chosen);
    const auto known = [this](const std::shared_ptr<const Upstream>& upstream) { return known_of(upstream); };
    plan = make_plan(*config, route, facts, wishes ? fallback_header(head) : std::nullopt, known);
    choose_assembling(nullptr);
    begin_exchange();
    return true;
}

/// The request is counted, and shown, at what was asked for until an attempt says otherwise.
void Exchange::begin_exchange() {
    const Target& first = plan.targets.front();
    record.upstream = first.upstream->name;
    record.model = first.model;
    asked_of = core.state_of(first.upstream);
    core.request_began(record.upstream);
    record.resend = core.is_resend(wishes ? &head : nullptr, record.client, body.view());
}

std::optional<http::Refusal> Exchange::read_overrides() {
    const Retry& retry = config->retry;
    Duration most = facts.stream ? retry.deadline_stream : retry.deadline_other;
    patience = most;
    if (!wishes) {
        if (most != no_limit) deadline = record.began + most;
        return std::nullopt;
    }
    if (const std::string_view text = head.fields.get("x-streamkeeper-max-wait"); !text.empty()) {
        const std::optional<Duration> wish = parse_duration(text);
        if (!wish) return bad_override("x-streamkeeper-max-wait", "20s");
        most = std::min(most, *wish);
    }
    if (const std::string_view text = head.fields.get("x-streamkeeper-timeout"); !text.empty()) {
        const std::optional<Duration> wish = parse_duration(text);
        if (!wish || *wish <= Duration(0)) return bad_override("x-streamkeeper-timeout", "60s");
        first_byte_override = *wish;
    }
    most = std::min(most, stainless_timeout(head));
    if (const std::string_view text = head.fields.get("x-streamkeeper-resume"); !text.empty()) {
        resume_override = resume_mode(text);
        if (!resume_override)
            return http::Refusal{400, "invalid_parameter", "x-streamkeeper-resume must be off, exact or whole"};
    }
    patience = most;
    if (most != no_limit) deadline = record.began + most;
    return std::nullopt;
}

}  // namespace streamkeeper::net
