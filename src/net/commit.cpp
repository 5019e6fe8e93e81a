// The commit of a stream whose answer is late, the heartbeats that keep its client waiting, and its end when the rest
// can't come (contract, section 4).
#include "net/exchange.hpp"
#include "streamkeeper/forwarding.hpp"
#include "streamkeeper/json_scan.hpp"
#include "streamkeeper/judge.hpp"
#include "streamkeeper/splicer.hpp"

namespace streamkeeper::net {

namespace {

/// Two agents' watchdogs count only events that they can parse (clients.md, 4).
constexpr std::chrono::seconds noop_after{60};

/// Nothing a client can do by asking again changes these. The judge knows it of a vendor's failure; the status says it
/// of our own refusals.
bool is_terminal(const Action& action, const Outcome* last) {
    if (last && action.message.empty()) {
        if (last->cause == Cause::shutdown) return false;
        if (last->should_retry == false) return true;
        Outcome error = *last;
        if (error.cause == Cause::stream_error) error.phase = Phase::before_output;  // its words count all the same
        const Judgement judged = judge(error);
        return judged.verdict != Verdict::retry_same && judged.verdict != Verdict::retry_after_wait &&
               judged.reason != "overload";
    }
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
    std::string names = splicer ? splicer->names() : std::string();
    if (asked.endpoint == Endpoint::responses) {  // only once its response.created was shown (resumption.md)
        if (!names.empty()) send_payload("event: keepalive\ndata: {\"type\":\"keepalive\"," + names + "}\n\n");
        return;
    }
    names = "{" + names + "}";
    std::string noop(dialect->noop);  // its names are blank, as in Azure's first chunk, until there are some
    for (const std::string_view name : {"id", "created", "model"}) {
        const std::string_view value = json::find(names, name);
        if (value.empty()) continue;
        const std::size_t at = noop.find(":", noop.find("\"" + std::string(name) + "\":")) + 1;
        noop.replace(at, noop.find(',', at) - at, value);
    }
    send_payload(noop);
}

void Exchange::give_up(const Action& action, const Outcome* last) {
    record.code = action.code.empty() && last ? last->error.code : std::string(action.code);
    const Dialect* const dialect = record.stream ? dialect_of(asked.endpoint) : nullptr;
    if (dialect && record.stream_end.empty()) record.stream_end = "error";
    const OnFailure wish = plan.targets.empty() ? config->resume.on_failure : resume_settings().on_failure;
    const bool error =
        !chunked_out || (wish == OnFailure::automatic ? is_terminal(action, last) : wish == OnFailure::error);
    if (dialect && error) {
        ApiError shown = error_of(action, last);
        shown.request_id = record.id;
        send_payload(dialect->error_event(render_error(asked.endpoint, shown, secrets_of(*config)),
                                          splicer ? splicer->next_sequence() : 0));
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
