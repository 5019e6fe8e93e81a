// One try at a target: connect, send, read the response head, judge what it is.
#include <algorithm>

#include "net/connector.hpp"
#include "net/exchange.hpp"
#include "net/resumption.hpp"
#include "streamkeeper/forwarding.hpp"

namespace streamkeeper::net {

namespace {

constexpr Duration read_on_after_write_error{1000};

bool is_type(const http::ResponseHead& from, std::string_view type) {
    return http::equal_ignoring_case(from.fields.get("content-type").substr(0, type.size()), type);
}

/// Not JSON and not HTML, to a request for a stream: some vendors send their events as text/plain or without a type.
bool is_event_stream(const http::ResponseHead& from, bool stream_asked) {
    if (is_type(from, "text/event-stream")) return true;
    return stream_asked && from.status == 200 && !is_type(from, "application/json") && !is_type(from, "text/html");
}

std::string_view name_of(Deadline deadline) {
    switch (deadline) {
        case Deadline::first_byte: return "timeouts.first_byte";
        case Deadline::stream_idle: return "timeouts.stream_idle";
        case Deadline::stream_progress: return "timeouts.stream_progress";
        case Deadline::total: return "timeouts.total";
        case Deadline::client_body: return "timeouts.client_body_idle";
        default: return "a deadline";
    }
}

/// A vendor's id for people and the log. One that names a key of ours is none.
std::string shown_id(std::string_view id, const Config& config) {
    for (const std::string_view secret : secrets_of(config))
        if (!secret.empty() && id.find(secret) != id.npos) return {};
    return std::string(id.substr(0, 128));
}

}  // namespace

Leg::~Leg() {
    if (transport.open() && state) --state->busy;
}

void Leg::fail(Phase phase, Cause cause, std::string detail) {
    outcome.phase = phase;
    outcome.cause = cause;
    outcome.detail = std::move(detail);
}

bool Leg::undo_encoding() {
    const std::string_view coding = answer->head().fields.get("content-encoding");
    if (coding.empty() || http::equal_ignoring_case(coding, "identity")) return true;
    inflater = http::Inflater::of(coding);
    if (inflater) return true;
    fail(Phase::before_output, Cause::bad_body,
         "the answer is encoded as '" + std::string(coding.substr(0, 32)) + "' although identity was asked for");
    return false;
}

bool Leg::decode(std::string_view& payload, Phase phase) {
    if (!inflater) return true;
    inflated.clear();
    const bool fine = inflater->feed(payload, inflated);
    payload = inflated;
    if (!fine) fail(phase, Cause::bad_body, "the answer's encoded data is broken");
    return fine;
}

bool ended_by(Wake why, Leg& leg, Session& session, Phase phase) {
    switch (why) {
        case Wake::ready: return false;
        case Wake::client_gone: leg.fail(phase, Cause::client_gone, "the client left"); return true;
        case Wake::shutdown: leg.fail(phase, Cause::shutdown, "streamkeeper is stopping"); return true;
        case Wake::deadline: break;
    }
    const Deadline passed = session.passed().value_or(Deadline::total);
    leg.fail(phase, passed == Deadline::client_body ? Cause::client_slow : Cause::timeout,
             std::string(name_of(passed)) + " passed");
    return true;
}

Task<bool> Exchange::open(Leg& leg, bool fresh_connection) {
    leg.began = core.reactor.now();
    if (!fresh_connection) {
        if (std::optional<Transport> idle = leg.state->take_idle(leg.began)) {
            leg.transport = std::move(*idle);
            leg.transport.watch().owner(&session.wake);
            leg.reused = leg.outcome.connection_was_reused = true;
            ++leg.state->busy;
            co_return true;
        }
    }
    Connected connected = co_await connect(session, leg.state, timeouts.connect);
    record.connect += connected.connecting;
    record.tls += connected.securing;
    if (connected.cause != Cause::answered) {
        leg.fail(Phase::connecting, connected.cause, std::move(connected.detail));
        co_return false;
    }
    leg.transport = std::move(connected.transport);
    ++leg.state->busy;
    co_return true;
}

/// Sends what can be sent now, and sets the deadlines that follow from it.
RequestPump::State Exchange::push_request(Leg& leg) {
    const TimePoint now = core.reactor.now();
    const std::uint64_t before = leg.request->written();
    const RequestPump::State state = leg.request->pump(session, leg.transport);
    const bool moved = leg.request->written() != before;
    // Not the loop's time, which stands still for a turn: the windows must not count from before the hand-over.
    if (state == RequestPump::State::done && leg.pass && moved) leg.pass->sent(Clock::now());
    if (!asked.policy) record.bytes_in += leg.request->written() - before;  // else it was counted as it was read
    if (moved && !leg.write_failed) session.deadlines.set(Deadline::first_byte, now, timeouts.first_byte);
    if (state == RequestPump::State::starved) {
        if (moved || !session.deadlines.has(Deadline::client_body))
            session.deadlines.set(Deadline::client_body, now, config->timeouts.client_body_idle);
        session.deadlines.clear(Deadline::first_byte);
    } else {
        session.deadlines.clear(Deadline::client_body);
        if (!session.deadlines.has(Deadline::first_byte))
            session.deadlines.set(Deadline::first_byte, now, timeouts.first_byte);
    }
    if (state == RequestPump::State::upstream_failed && !leg.write_failed) {
        // The vendor may have answered before it closed, and that answer is worth more than the write error (errors.md,
        // N7).
        leg.write_failed = true;
        session.deadlines.set(Deadline::first_byte, now, read_on_after_write_error);
    }
    return state;
}

Task<bool> Exchange::send_and_read_head(Leg& leg) {
    leg.answer.emplace(leg.transport, core.scratch.data(), core.scratch.size());
    const TimePoint began = core.reactor.now();
    session.deadlines.set(Deadline::first_byte, began, timeouts.first_byte);
    session.deadlines.set(Deadline::total, leg.began, timeouts.total);
    for (Answer::Read read = Answer::Read::again; read == Answer::Read::again;) {
        const RequestPump::State state = push_request(leg);
        if (state == RequestPump::State::client_broken) {
            leg.fail(Phase::sending, Cause::client_error,
                     "the chunked framing of the request's body is broken (RFC 9112, 7.1)");
            co_return false;
        }
        Wake why = Wake::ready;
        if (!leg.transport.watch().readable()) why = co_await session.wait();
        leg.transport.watch().take_writable();
        const Phase phase = state == RequestPump::State::done ? Phase::awaiting_head : Phase::sending;
        if (why == Wake::client_gone || why == Wake::shutdown) co_return !ended_by(why, leg, session, phase);
        if (leg.transport.watch().take_readable()) read = leg.answer->read_head(head.method == "HEAD", head.websocket);
        leg.outcome.answer_began = leg.answer->began();
        if (read == Answer::Read::broken)
            leg.fail(phase, Cause::bad_head, "the upstream's response head is refused: " + leg.answer->problem());
        else if (read == Answer::Read::closed)
            leg.fail(phase, Cause::closed, "the upstream closed the connection before it answered");
        else if (read == Answer::Read::again && why == Wake::deadline && leg.write_failed)
            leg.fail(phase, Cause::closed, "the upstream closed the connection while the request was sent");
        else if (read == Answer::Read::again && !ended_by(why, leg, session, phase))
            continue;
        if (read != Answer::Read::ready) co_return false;
    }
    record.upstream_wait += core.reactor.now() - began;
    session.deadlines.clear(Deadline::client_body);
    session.deadlines.set(Deadline::first_byte, core.reactor.now(), timeouts.first_byte);
    leg.outcome.status = leg.answer->head().status;
    leg.outcome.phase = Phase::before_output;
    co_return true;
}

Task<Payload> Exchange::next_payload(Leg& leg, Phase phase) {
    const bool shown = phase == Phase::after_output;
    const Deadline silence = shown ? Deadline::stream_idle : Deadline::first_byte;
    const Duration limit = shown ? timeouts.stream_idle : timeouts.first_byte;
    if (shown) session.deadlines.clear(Deadline::first_byte);
    for (;;) {
        std::string_view bytes;
        const Answer::Read read = leg.answer->next(bytes);
        const bool cut =
            read == Answer::Read::closed || (read == Answer::Read::done && leg.inflater && !leg.inflater->finished());
        if (cut) leg.fail(phase, Cause::closed, "the upstream closed the connection in the middle of its answer");
        if (read == Answer::Read::broken) leg.fail(phase, Cause::bad_body, leg.answer->problem());
        if (cut || read == Answer::Read::broken) co_return Payload{};
        if (read == Answer::Read::done) co_return Payload{Payload::State::done, {}};
        if (read == Answer::Read::ready) {
            session.deadlines.clear(silence);  // set anew when there is something to wait for
            const bool decoded = leg.decode(bytes, phase);
            if (!decoded) co_return Payload{};
            if (!bytes.empty()) co_return Payload{Payload::State::run, bytes};
            continue;
        }
        if (leg.transport.watch().take_readable()) continue;  // it came during another wait
        if (!session.deadlines.has(silence)) session.deadlines.set(silence, core.reactor.now(), limit);
        const Wake why = co_await session.wait();
        leg.transport.watch().take_readable();
        if (ended_by(why, leg, session, phase)) co_return Payload{};
    }
}

void Exchange::read_hints(Leg& leg) {
    const http::ResponseHead& from = leg.answer->head();
    record.limits.clear();
    record.vendor_request_id.clear();
    bool limits = false;
    for (const http::Field& field : from.fields.all) {
        const char first = static_cast<char>(field.name[0] | 0x20);
        if ((first != 'x' && first != 'r' && first != 'a') || field.name.size() < 10) continue;
        limits = limits || field.name.size() > 12;  // perhaps
        if (http::equal_ignoring_case(field.name, "x-request-id") ||
            http::equal_ignoring_case(field.name, "request-id"))
            record.vendor_request_id = shown_id(field.value, *config);
        if (field.name.size() == 14 && http::equal_ignoring_case(field.name, "x-actual-model"))  // Apertis
            vendor_fell_back = vendor_fell_back || field.value != record.model;
        if (field.name.size() == 14 && http::equal_ignoring_case(field.name, "x-should-retry"))
            leg.outcome.should_retry = should_retry(from.fields);
    }
    if (limits) streamkeeper::read_limits(from.fields, std::chrono::system_clock::now(), record.limits);
    if (leg.pass) leg.pass->answered(from.status < 300, Clock::now());
}

void Exchange::page_instead(Leg& leg) {
    const int status = leg.outcome.status;
    leg.outcome.error.html = true;
    leg.outcome.error.http_status = leg.outcome.error.eff_status = status;
    leg.fail(Phase::before_output, Cause::not_an_api,
             "the upstream answers with a web page (HTML" +
                 (status == 200 ? std::string() : ", status " + std::to_string(status)) +
                 ") instead of an API's answer");
}

/// The request as this target gets it.
void Exchange::make_request(Leg& leg, const Action& action) {
    const Target& target = plan.targets[action.target];
    const std::string path = target.upstream->base_url.path + asked.suffix + asked.query;
    http::UpstreamHead to{head.method, path,         target.upstream.get(),          target.key,
                          head.body,   asked.policy, head.websocket && !asked.policy};
    const bool refused = leg.state->usage_refused && target.upstream->stream_usage == StreamUsage::automatic;
    BodyFacts streamed;
    if (assembling) {
        streamed = facts;
        streamed.stream = true;
    }
    const bool usage = asked.policy && wants_usage(*target.upstream, asked.endpoint, assembling ? streamed : facts,
                                                   refused || action.how.without_usage);
    const bool continues = going_on() && resumption->strategy == Strategy::prefix;
    to.same_request =
        !sent_once || (sent_target == action.target && sent_usage == usage && !target.renamed && !continues);
    sent_once = true;
    sent_target = action.target;
    sent_usage = leg.outcome.usage_was_injected = usage;
    if (!asked.policy) {
        leg.request.emplace(http::upstream_head(head, to), http::BodyDecoder(head.body),
                            head.body.kind == http::Framing::Kind::chunked);
        return;
    }
    if (going_on() && resumption->strategy == Strategy::native) return make_native_request(leg, target);
    splices = splices_for(body.view(), facts, continues ? Plan{} : plan, target, usage);
    if (assembling) add_stream(splices, facts);
    if (continues)
        add_continuation(splices, body.view(), asked.endpoint, facts, *resumption->facts,
                         {resumption->how.prefill, resumption->prefix, resumption->tokens_used});
    std::vector<std::string_view> pieces = spliced(body.view(), splices);
    to.body = {http::Framing::Kind::length, 0};
    for (const std::string_view piece : pieces) to.body.length += piece.size();
    leg.request.emplace(http::upstream_head(head, to), std::move(pieces));
}

/// What kind of answer this head begins. `none`: it is a failure already, and the outcome says so.
Exchange::AnswerKind Exchange::kind_of_answer(Leg& leg) {
    const http::ResponseHead& from = leg.answer->head();
    if (!asked.policy) {
        if (from.status == 101) return AnswerKind::tunnel;
        return from.status >= 400 ? AnswerKind::raw_error : AnswerKind::raw;
    }
    if (from.status >= 400) return AnswerKind::error;
    if (from.status >= 300)
        leg.fail(
            Phase::before_output, Cause::not_an_api,
            "the upstream answers with a redirect (" + std::to_string(from.status) + ") instead of an API's answer");
    else if (is_type(from, "text/html"))
        page_instead(leg);
    if (leg.outcome.cause != Cause::answered) return AnswerKind::none;
    const bool events = dialect_of(asked.endpoint) && is_event_stream(from, facts.stream);
    record.stream = (events || committed) && facts.stream;  // what the client has, once it was promised a stream
    return events ? AnswerKind::events : AnswerKind::document;
}

/// A stream survives what cuts a long silence (resumption.md, `assemble`).
void Exchange::choose_assembling(const Outcome* last) {
    const Assemble wish = config->stream.assemble;
    if (assembling || facts.stream || wish == Assemble::off || !dialect_of(asked.endpoint)) return;
    if (wish == Assemble::automatic) {
        if (!last) return;
        const bool late = last->cause == Cause::timeout && last->phase >= Phase::awaiting_head;
        const bool cut = last->cause == Cause::closed && last->status != 0;
        const bool said_late = last->cause == Cause::answered && (last->status == 504 || last->status == 524);
        if (!late && !cut && !said_late) return;
    }
    assembling = facts.members > facts.fallback_members && can_stream(asked.endpoint, body.view());
}

Task<void> Exchange::attempt(AttemptLoop& loop, Action& action) {
    Leg leg;
    leg.pass = &loop.pass();
    begin_attempt(loop, action);
    leg.state = core.state_of(plan.targets[action.target].upstream);
    // What can't be sent twice, a body that streams above all, does not go on a connection that may be stale.
    const bool fresh = action.how.fresh_connection || (!asked.policy && !repeatable(head));
    const bool opened = co_await open(leg, fresh);
    if (opened) make_request(leg, action);
    bool answered = false;
    if (opened) answered = co_await send_and_read_head(leg);
    if (answered) read_hints(leg);
    const AnswerKind kind = answered ? kind_of_answer(leg) : AnswerKind::none;
    if (kind == AnswerKind::document)
        co_await relay_json(leg);
    else if (kind == AnswerKind::events)
        co_await relay_events(leg);
    else if (kind == AnswerKind::error)
        co_await read_error(leg);
    else if (kind == AnswerKind::raw)
        co_await relay_raw(leg);
    else if (kind == AnswerKind::raw_error)
        co_await collect_raw_error(leg);
    else if (kind == AnswerKind::tunnel)
        co_await tunnel(leg);
    if (!asked.policy && leg.request) body_read = leg.request->state() == RequestPump::State::done;
    choose_assembling(&leg.outcome);
    note_resume(leg);
    const bool otherwise = refused_going_on(leg);
    const GoOn go_on = go_on_after(leg, loop);
    if (otherwise)
        action = loop.refused_way(leg.outcome, core.reactor.now(), go_on != GoOn::never);
    else
        action = loop.on(leg.outcome, core.reactor.now(), go_on);
    note(leg, loop);
    note_break(loop);
    raw_error = std::move(leg.raw_error);
    settle(leg);
}

void Exchange::settle(Leg& leg) {
    session.deadlines.clear_attempt();
    if (!leg.transport.open()) return;
    --leg.state->busy;
    const bool reusable = leg.answer && leg.answer->whole() && !leg.answer->has_unread() &&
                          !leg.transport.has_surplus() && leg.answer->head().keep_alive &&
                          leg.answer->head().status != 101 && leg.request &&
                          leg.request->state() == RequestPump::State::done;
    if (reusable && timeouts.pool_idle > Duration(0))
        leg.state->keep_idle(std::move(leg.transport), core.reactor.now(), timeouts.pool_idle);
    else
        leg.transport.close();
}

}  // namespace streamkeeper::net
