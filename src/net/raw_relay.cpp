// Pass-through: bytes both ways as they come, never held whole. Uploads, binary answers, files, WebSocket upgrades.
#include <array>

#include "net/exchange.hpp"
#include "streamkeeper/forwarding.hpp"

namespace streamkeeper::net {

namespace {

/// Most of an answer of status >= 400 that is masked and forwarded; nothing legitimate is near it.
constexpr std::size_t largest_error = 4u << 20;

}  // namespace

Task<void> Exchange::pass_through() {
    std::variant<Route, http::Refusal> chosen =
        streamkeeper::route(*config, asked.upstream, {}, [](std::string_view) { return false; });
    if (const http::Refusal* const refusal = std::get_if<http::Refusal>(&chosen)) {
        send_refusal(*refusal);
        co_return;
    }
    Route& route = std::get<Route>(chosen);
    const Timeouts timeouts = timeouts_for(*config, *route.upstream, {});
    const Key* const key = route.upstream->keys.empty() ? nullptr : &route.upstream->keys.front();
    record.upstream = route.upstream->name;
    record.key = key ? key->name : std::string();
    plan.timeouts = timeouts;
    core.request_began(record.upstream);
    counted = true;
    if (head.expect_continue && !session.client_ended()) out.send("HTTP/1.1 100 Continue\r\n\r\n");
    AttemptLoop loop;
    for (bool fresh = false;;) {
        Leg leg;
        leg.state = core.state_of(route.upstream);
        // What can't be sent twice, a body that streams above all, does not go on a connection that may be stale.
        const bool repeatable =
            head.body.kind == http::Framing::Kind::none && (head.method == "GET" || head.method == "HEAD");
        const bool opened = co_await open(leg, fresh || !repeatable || head.websocket, timeouts);
        if (opened) {
            const std::string path = route.upstream->base_url.path + asked.suffix + asked.query;
            http::UpstreamHead to{head.method, path, route.upstream.get(), key, head.body, false, head.websocket};
            leg.request.emplace(http::upstream_head(head, to), http::BodyDecoder(head.body),
                                head.body.kind == http::Framing::Kind::chunked);
            const bool answered = co_await send_and_read_head(leg, timeouts);
            body_read = leg.request->state() == RequestPump::State::done;
            if (answered) {
                read_limits(leg.answer->head());
                if (leg.answer->head().status == 101)
                    co_await tunnel(leg);
                else
                    co_await relay_raw(leg, timeouts);
                body_read = leg.request->state() == RequestPump::State::done;
            }
        }
        const Action action = loop.on(leg.outcome);
        note(leg, action);
        settle(leg, timeouts);
        if (action.kind == Action::Kind::send_again) {
            fresh = true;
            continue;
        }
        end_pass_through(leg, action);
        co_return;
    }
}

void Exchange::end_pass_through(const Leg& leg, const Action& action) {
    const Cause cause = leg.outcome.cause;
    if (!body_read) keep_alive = false;
    if (cause == Cause::client_gone) {
        client_gone = true;
    } else if (action.kind != Action::Kind::fail) {
        return;
    } else if (committed && (leg.outcome.phase != Phase::after_output || cause == Cause::answered)) {
        record.ending = Ending::error;
    } else if (committed) {
        give_up(action, leg.outcome, nullptr);
    } else if (cause == Cause::client_error || cause == Cause::client_slow) {
        send_refusal({action.status, action.code, leg.outcome.detail});
    } else {
        send_error(action, leg.outcome);
    }
}

void Exchange::send_payload(std::string_view bytes) {
    if (chunked_out)
        out.send_chunk({}, std::span(&bytes, 1));
    else
        out.send(bytes);
}

Task<void> Exchange::relay_raw(Leg& leg, Timeouts timeouts) {
    Answer& answer = *leg.answer;
    const http::ResponseHead& from = answer.head();
    const bool masks = from.status >= 400;
    http::Framing framing = from.body;
    if (framing.kind == http::Framing::Kind::chunked || framing.kind == http::Framing::Kind::until_close)
        framing = open_framing();
    std::string answered_head = answer_head(leg, framing);
    std::string error;
    if (masks) {
        answered_head = mask_secrets(std::move(answered_head), secrets_of(*config));
    } else {
        out.send(answered_head);
        record.first_output = Clock::now();
    }
    leg.outcome.phase = Phase::after_output;
    for (std::size_t shown = 0;;) {
        std::string_view payload;
        const std::uint64_t sent_before = leg.request->written();
        if (leg.request->state() != RequestPump::State::done)
            answer.keep_unread();  // the pump reads into the same scratch
        leg.request->pump(session, leg.transport);
        record.bytes_in += leg.request->written() - sent_before;
        const Answer::Read read = answer.next(payload);
        if (read == Answer::Read::ready && masks && error.size() + payload.size() > largest_error) {
            committed = chunked_out = false;  // nothing of it was sent yet
            leg.fail(Phase::before_output, Cause::bad_body, "an error answer of more than 4 MiB");
            co_return;
        }
        if (read == Answer::Read::ready) {
            if (masks)
                error.append(payload);
            else
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
        const bool over = ended_by(why, leg, session, masks ? Phase::before_output : Phase::after_output);
        if (over && masks) committed = chunked_out = false;
        if (over) co_return;
    }
    if (masks) {
        // Bytes as they are, but for keys that a vendor echoes; their length stays, and so does Content-Length.
        const std::string masked = mask_secrets(std::move(error), secrets_of(*config));
        const std::string_view piece = masked;
        if (chunked_out) {
            out.send_chunk(answered_head, std::span(&piece, 1));
        } else {
            const std::array<std::string_view, 2> pieces = {answered_head, masked};
            out.send(pieces);
        }
    }
    if (leg.outcome.cause == Cause::answered && chunked_out) out.send("0\r\n\r\n");
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
