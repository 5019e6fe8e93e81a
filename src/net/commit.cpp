// The commit of a stream whose answer is late, the heartbeats that keep its client waiting, and its end when the rest
// can't come (contract, section 4).
#include "net/exchange.hpp"
#include "streamkeeper/forwarding.hpp"

namespace streamkeeper::net {

namespace {

/// Two agents' watchdogs count only events that they can parse (clients.md, 4).
constexpr std::chrono::seconds noop_after{60};

/// Nothing a client can do by asking again changes these.
bool is_terminal(const Action& action, const Outcome* last) {
    if (last && (last->cause == Cause::not_an_api || last->cause == Cause::certificate || last->cause == Cause::proxy))
        return last->error.eff_status < 500 || last->cause != Cause::not_an_api;
    return action.status >= 400 && action.status < 500 && action.status != 408 && action.status != 409 &&
           action.status != 429;
}

}  // namespace

void Exchange::commit_early() {
    std::string bytes;
    http::append_status_line(bytes, 200);
    bytes.append(
        "Content-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n");
    append_early_fields(bytes);
    chunked_out = open_framing().kind == http::Framing::Kind::chunked;
    if (!chunked_out) keep_alive = false;
    out.send(bytes);
    committed = early = true;
    record.status = 200;
    record.stream = true;
    last_event = core.reactor.now();
}

void Exchange::begin_heartbeats() {
    last_shown = last_event = core.reactor.now();
    session.answering = this;
    session.deadlines.set(Deadline::heartbeat, last_shown, config->stream.heartbeat);
}

void Exchange::beat() {
    const TimePoint now = core.reactor.now();
    const Duration every = config->stream.heartbeat;
    if (!committed) commit_early();
    if (every == no_limit) return session.deadlines.clear(Deadline::heartbeat);
    const bool silent = last_shown == TimePoint{} || now - last_shown >= every;
    if (silent && !out.pending()) {
        send_payload(": hb\n\n");
        last_shown = now;
        if (now - last_event >= noop_after) send_noop(now);
    }
    session.deadlines.set(Deadline::heartbeat, silent ? now : last_shown, every);
}

void Exchange::send_noop(TimePoint now) {
    last_event = now;
    const Dialect* const dialect = wanted_dialect();
    if (!dialect) return;
    if (asked.endpoint == Endpoint::responses) {  // only once its response.created was shown (resumption.md)
        if (last_sequence >= 0)
            send_payload("event: keepalive\ndata: {\"type\":\"keepalive\",\"sequence_number\":" +
                         std::to_string(last_sequence) + "}\n\n");
    } else if (!dialect->noop.empty()) {
        send_payload(dialect->noop);
    }
}

void Exchange::give_up(const Action& action, const Outcome* last) {
    record.code = action.code.empty() && last ? last->error.code : std::string(action.code);
    const Dialect* const dialect = record.stream ? dialect_of(asked.endpoint) : nullptr;
    const OnFailure wish = config->resume.on_failure;
    const bool error =
        !chunked_out || (wish == OnFailure::automatic ? is_terminal(action, last) : wish == OnFailure::error);
    if (dialect && error) {
        ApiError shown = error_of(action, last);
        shown.request_id = record.id;
        send_payload(dialect->error_event(render_error(asked.endpoint, shown, secrets_of(*config))));
        if (chunked_out) out.send("0\r\n\r\n");
        record.ending = Ending::error;
        return;
    }
    if (dialect && chunked_out) send_payload(": streamkeeper " + std::string(action.reason) + "\n\n");
    record.ending = Ending::aborted;
    aborted = true;
    keep_alive = false;
}

}  // namespace streamkeeper::net
