// Pass-through: bytes both ways as they come, never held whole. Uploads, binary answers, files, WebSocket upgrades.
#include <array>

#include "net/exchange.hpp"
#include "streamkeeper/forwarding.hpp"

namespace streamkeeper::net {

namespace {

/// Most of an answer of status >= 400 that is masked and forwarded; nothing legitimate is near it.
constexpr std::size_t largest_error = 4u << 20;

}  // namespace

bool repeatable(const http::RequestHead& head) {
    return head.body.kind == http::Framing::Kind::none && (head.method == "GET" || head.method == "HEAD") &&
           !head.websocket;
}

bool Exchange::plan_pass_through() {
    std::optional<http::Refusal> refusal = read_overrides();
    std::variant<Route, http::Refusal> chosen =
        streamkeeper::route(*config, asked.upstream, {}, [](std::string_view) { return false; });
    if (http::Refusal* const unknown = std::get_if<http::Refusal>(&chosen); unknown && !refusal)
        refusal = std::move(*unknown);
    if (refusal) {
        send_refusal(*refusal);
        return false;
    }
    const auto known = [this](const std::shared_ptr<const Upstream>& upstream) { return known_of(upstream); };
    plan = make_plan(std::get<Route>(chosen), known);
    begin_exchange();
    if (head.expect_continue && !session.client_ended()) out.send("HTTP/1.1 100 Continue\r\n\r\n");
    return true;
}

/// What the client is told of a failure that is no answer of the vendor, or the vendor's own bytes. False: nothing was
/// told yet.
bool Exchange::conclude_raw(const Action& action, const Outcome* last) {
    if (!body_read) keep_alive = false;
    if (committed && last && last->phase != Phase::after_output) {
        record.ending = Ending::error;
        return true;
    }
    if (committed) return false;
    if (last && (last->cause == Cause::client_error || last->cause == Cause::client_slow)) {
        send_refusal({action.status, action.code, last->detail});
        return true;
    }
    if (raw_error.empty() || !last || !action.message.empty()) return false;
    out.send(raw_error);
    committed = true;
    record.ending = Ending::error;
    record.status = last->status;
    record.first_output = Clock::now();
    return true;
}

void Exchange::send_payload(std::string_view bytes) {
    if (chunked_out)
        out.send_chunk({}, std::span(&bytes, 1));
    else
        out.send(bytes);
}

Task<void> Exchange::relay_raw(Leg& leg) {
    Answer& answer = *leg.answer;
    http::Framing framing = answer.head().body;
    if (framing.kind == http::Framing::Kind::chunked || framing.kind == http::Framing::Kind::until_close)
        framing = open_framing();
    out.send(answer_head(leg, framing));
    record.first_output = Clock::now();
    leg.outcome.phase = Phase::after_output;
    for (std::size_t shown = 0;;) {
        std::string_view payload;
        push_body(leg);
        const Answer::Read read = answer.next(payload);
        if (read == Answer::Read::ready) {
            send_payload(payload);
            shown += payload.size();
            if (!out.pending() && shown < fair_share) continue;
            answer.keep_unread();
            bool taken = true;
            if (out.pending()) taken = co_await flush();
            if (!taken) leg.fail(Phase::after_output, Cause::client_gone, "the client left");
            if (!taken) co_return;
            if (shown < fair_share) continue;
            shown = 0;
            session.wake_later();  // the others' turn; ours comes again
            const Wake why = co_await session.wait();
            if (ended_by(why, leg, session, Phase::after_output)) co_return;
            continue;
        }
        if (read == Answer::Read::done) break;
        if (read != Answer::Read::again) {
            leg.fail(Phase::after_output, read == Answer::Read::broken ? Cause::bad_body : Cause::closed,
                     read == Answer::Read::broken ? answer.problem()
                                                  : "the upstream closed the connection in the middle of its answer");
            break;
        }
        session.deadlines.set(Deadline::stream_idle, core.reactor.now(), timeouts.stream_idle);
        if (leg.transport.watch().take_readable()) continue;  // it came during another wait
        const Wake why = co_await session.wait();
        leg.transport.watch().take_readable();
        leg.transport.watch().take_writable();
        if (ended_by(why, leg, session, Phase::after_output)) co_return;
    }
    if (leg.outcome.cause == Cause::answered && chunked_out) out.send("0\r\n\r\n");
}

/// What is left of the request's body goes on while the answer comes.
void Exchange::push_body(Leg& leg) {
    if (leg.request->state() == RequestPump::State::done) return;
    const std::uint64_t sent_before = leg.request->written();
    leg.answer->keep_unread();  // the pump reads into the same scratch
    leg.request->pump(session, leg.transport);
    record.bytes_in += leg.request->written() - sent_before;
}

/// A failed answer is collected, so that it can be judged, and forwarded as it is but for keys that a vendor echoes.
Task<void> Exchange::collect_raw_error(Leg& leg) {
    std::string body_bytes;
    for (;;) {
        push_body(leg);
        const Payload next = co_await next_payload(leg, Phase::before_output);
        if (next.state == Payload::State::failed) co_return;
        if (next.state == Payload::State::done) break;
        body_bytes.append(next.bytes);
        if (body_bytes.size() <= largest_error) continue;
        leg.fail(Phase::before_output, Cause::bad_body, "an error answer of more than 4 MiB");
        co_return;
    }
    const http::ResponseHead& from = leg.answer->head();
    const std::vector<std::string_view> secrets = secrets_of(*config);
    body_bytes = mask_secrets(std::move(body_bytes), secrets);
    leg.outcome.error = read_vendor_error(from.status, from.fields.get("content-type"), body_bytes);
    read_waits(leg);
    http::Framing framing = from.body;
    if (framing.kind == http::Framing::Kind::chunked || framing.kind == http::Framing::Kind::until_close)
        framing = {http::Framing::Kind::length, body_bytes.size()};
    leg.raw_error = mask_secrets(answer_head(leg, framing), secrets) + body_bytes;
    committed = chunked_out = false;  // nothing of it is sent before the attempt loop says so
}

/// Forwards what the client sent, as much as the upstream takes now.
Io Exchange::forward(Leg& leg, Buffer& to_upstream) {
    to_upstream.append(session.in.view());
    session.in.release();
    const std::string_view piece = to_upstream.view();
    const Io io = piece.empty() ? Io{Io::State::ok} : leg.transport.write(std::span(&piece, 1));
    to_upstream.consume(io.bytes);
    record.bytes_in += io.bytes;
    session.read_up_to(to_upstream.size() < (256u << 10) ? 64u << 10 : 0);
    return io;
}

/// After 101 the connection is the two ends' own: bytes both ways until one of them closes.
Task<void> Exchange::tunnel(Leg& leg) {
    const http::ResponseHead& from = leg.answer->head();
    std::string bytes;
    http::append_status_line(bytes, 101);
    http::append_client_fields(bytes, from, false);
    bytes.append("Connection: Upgrade\r\nUpgrade: websocket\r\nx-streamkeeper-request-id: ")
        .append(record.id)
        .append("\r\n\r\n");
    committed = true;
    keep_alive = false;
    record.status = 101;
    record.first_output = Clock::now();
    leg.outcome.phase = Phase::after_output;
    out.send(bytes);
    session.deadlines.clear_all();
    leg.answer->keep_unread();  // what came behind the head lies where the client is read to
    Buffer to_upstream;
    for (;;) {
        const Io io = forward(leg, to_upstream);
        std::string_view received;
        Answer::Read read = Answer::Read::again;
        while (!out.pending() && (read = leg.answer->next_raw(received)) == Answer::Read::ready) out.send(received);
        if (io.state == Io::State::error || read == Answer::Read::closed || out.failed()) break;
        if (!out.pending() && leg.transport.watch().take_readable()) continue;
        const Wake why = co_await session.wait();
        leg.transport.watch().take_writable();
        session.client.watch().take_writable();
        out.flush();
        if (why == Wake::client_gone) forward(leg, to_upstream);  // what it sent last: mostly a close frame
        if (why == Wake::client_gone || why == Wake::shutdown) break;
    }
}

}  // namespace streamkeeper::net
