// The event relay: complete events of a stream, forwarded in the turn of the loop in which their last byte came.
//
// An event is shown as it is, byte for byte. Events before the first payload are held, so that a failure until then can
// still become a real status; the commit is a step of its own.
#include <algorithm>

#include "net/exchange.hpp"
#include "streamkeeper/dialect.hpp"
#include "streamkeeper/document_events.hpp"
#include "streamkeeper/usage.hpp"

namespace streamkeeper::net {

namespace {

constexpr std::size_t most_pieces = 60;
/// Held without asking the budget; the role and what else comes before the first text is far less.
constexpr std::size_t free_hold = 64u << 10;
/// After the terminal event the last chunk is all that can come; the client does not wait long for it.
constexpr Duration wait_for_the_end{2000};

/// What one stream has shown so far, and what it has still to show in this turn.
struct EventStream {
    Exchange& exchange;
    Leg& leg;
    const Dialect& dialect;
    bool hide_usage;
    bool converted = false;  ///< from a document (document_events.hpp)
    sse::Splitter splitter{};
    std::string head{};  ///< ours, sent with the first payload
    std::string held{};  ///< events before it
    Reservation held_reserved{};
    std::vector<std::string_view> batch{};  ///< events of this turn, neighbours joined
    std::string joined{};                   ///< storage of sse::read
    std::vector<char> open_choices{};       ///< see Dialect::note_choices
    bool output = false, a_finish = false, finished = false, terminal = false, failed = false, broken = false,
         refused = false;

    bool ended_early() const { return terminal && !finished; }
    Phase phase() const { return output ? Phase::after_output : Phase::before_output; }
    /// Takes a run of payload. False: the stream is over for us, and `end` says how.
    bool take(std::string_view payload);
    /// Says in the leg's outcome how the stream ended; it may have ended well.
    void end(Answer::Read how);
    /// Supplies what is missing of a finished stream, and names the end.
    void finish();
    void set_deadline(TimePoint now);
    bool take_event(std::string_view event, std::string_view payload);
    /// Keeps an event that must not be shown yet. False: memory does not allow it.
    bool hold(std::string_view event);
    void show(std::string_view event, std::string_view payload);
    void send_batch();
    void note(const EventFacts&, const sse::Event&);
    bool every_choice(const sse::Event&);
};

bool EventStream::take(std::string_view payload) {
    if (leg.inflater && !converted) {
        send_batch();  // what it points to is overwritten
        broken = !leg.decode(payload, phase());
    }
    if (broken) return false;
    splitter.feed(payload);
    for (std::string_view event; splitter.next(event);)
        if (!take_event(event, payload)) return false;
    return !splitter.too_long();
}

void EventStream::end(Answer::Read how) {
    if (broken || (finished && !failed)) return;  // said already, or nothing to say
    if (refused)
        return leg.fail(phase(), Cause::bad_body, "more events before the first output than limits.memory allows");
    if (failed) return leg.fail(phase(), Cause::stream_error, "");
    if (splitter.too_long()) return leg.fail(phase(), Cause::bad_body, "an event of the stream is longer than 16 MiB");
    if (how == Answer::Read::broken) return leg.fail(phase(), Cause::bad_body, leg.answer->problem());
    leg.fail(phase(), Cause::closed, "the stream ended without a finish");
}

void EventStream::set_deadline(TimePoint now) {
    const Timeouts& timeouts = exchange.timeouts;
    Deadlines& deadlines = exchange.session.deadlines;
    if (terminal) {
        deadlines.set(Deadline::stream_idle, now, wait_for_the_end);
        deadlines.clear(Deadline::heartbeat);  // nothing is shown behind the end
    } else if (output)
        deadlines.set(Deadline::stream_idle, now, timeouts.stream_idle);
    else
        deadlines.set(Deadline::first_byte, now, timeouts.first_byte);
}

/// False: the stream is over for us.
bool EventStream::take_event(std::string_view event, std::string_view payload) {
    const sse::Event read = sse::read(event, joined);
    const EventFacts facts =
        read.has_data || !read.name.empty() || !read.error.empty() ? dialect.read(read) : EventFacts{};
    if (finished && facts.error) return true;  // after completion every fault is ignored (resumption.md)
    if (facts.error || facts.failed) {
        const std::string_view type = "text/event-stream";
        const std::vector<std::string_view> secrets = secrets_of(*exchange.config);
        leg.outcome.error =
            read_vendor_error(leg.answer->head().status, type, mask_secrets(std::string(event), secrets));
        leg.outcome.vendor_body = mask_secrets(std::string(read.data), secrets);
        exchange.read_waits(leg);
        failed = true;
        return false;
    }
    note(facts, read);
    if (terminal && !finished) return false;  // `[DONE]` alone proves nothing (resumption.md); it is not shown
    if (hide_usage && facts.usage_only) return true;
    if (!output && (facts.payload || facts.finish || facts.terminal)) {
        output = true;
        exchange.record.first_output = Clock::now();
        exchange.session.deadlines.clear(Deadline::first_byte);
        exchange.session.deadlines.set(Deadline::stream_progress, exchange.record.first_output,
                                       exchange.timeouts.stream_progress);
        if (!exchange.committed) head = exchange.answer_head(leg, exchange.open_framing(), converted);
        if (!exchange.early) exchange.begin_heartbeats();
        batch.push_back(held);
    }
    if (facts.payload)
        exchange.session.deadlines.set(Deadline::stream_progress, exchange.core.reactor.now(),
                                       exchange.timeouts.stream_progress);
    if (!output && !hold(event)) return false;
    if (output) {
        show(event, payload);
        if (read.has_data) exchange.remember(read.data);
    }
    return true;
}

void EventStream::note(const EventFacts& facts, const sse::Event& event) {
    if (facts.usage) read_usage(event.data, exchange.record.usage);
    if (facts.finish) a_finish = true;
    if (facts.terminal) terminal = true;
    const bool all = every_choice(event);
    finished = a_finish && all;
    if (!facts.finish_reason.empty()) exchange.record.stream_end = facts.finish_reason;
}

void EventStream::show(std::string_view event, std::string_view payload) {
    const bool lasting = event.data() >= payload.data() && event.data() < payload.data() + payload.size();
    if (!batch.empty() && lasting && batch.back().data() + batch.back().size() == event.data()) {
        batch.back() = {batch.back().data(), batch.back().size() + event.size()};
        return;
    }
    batch.push_back(event);
    // An event put together from two reads lies in the splitter only until the next one.
    if (!lasting || batch.size() >= most_pieces) send_batch();
}

void EventStream::send_batch() {
    if (batch.empty()) return;
    exchange.last_shown = exchange.last_event = exchange.core.reactor.now();
    if (exchange.chunked_out) {
        exchange.out.send_chunk(head, batch);
    } else {
        if (!head.empty()) batch.insert(batch.begin(), head);
        exchange.out.send(batch);
    }
    head.clear();
    batch.clear();
    held.clear();
    held_reserved.shrink(0);
}

/// Of several choices each needs its own finish; a vendor that knows no `n` sends fewer, and then ends of itself.
bool EventStream::every_choice(const sse::Event& event) {
    const unsigned asked = exchange.facts.choices;
    if (asked <= 1 || !dialect.note_choices) return true;
    dialect.note_choices(event.data, open_choices);
    const bool all_closed = std::find(open_choices.begin(), open_choices.end(), 1) == open_choices.end();
    return all_closed && (open_choices.size() >= asked || terminal);
}

bool EventStream::hold(std::string_view event) {
    while (held.size() + event.size() > free_hold + held_reserved.bytes() && !refused)
        refused = !held_reserved.grow(exchange.core.budget, BudgetKind::held, free_hold);
    if (!refused) held.append(event);
    return !refused;
}

std::string_view label_of(std::string_view finish_reason) {
    if (finish_reason == "length" || finish_reason == "max_tokens" || finish_reason == "max_output_tokens")
        return "length";
    if (finish_reason == "tool_calls" || finish_reason == "tool_use" || finish_reason == "function_call")
        return "tool_calls";
    return finish_reason == "content_filter" || finish_reason == "refusal" ? "content_filter" : "finish";
}

void EventStream::finish() {
    Record& record = exchange.record;
    record.usage_expected = finished;
    if (!finished) {
        const Cause cause = leg.outcome.cause;
        record.stream_end = cause == Cause::client_gone    ? "client_closed"
                            : cause == Cause::stream_error ? "error"
                            : cause == Cause::timeout      ? "stalled"
                                                           : "truncated";
        return;
    }
    // Complete: what still goes wrong, the client leaving included, is no failure (contract, section 4).
    leg.outcome.cause = Cause::answered;
    leg.outcome.detail.clear();
    ClientWriter& out = exchange.out;
    exchange.shown_whole = terminal && !out.pending() && !out.failed();
    if (dialect.done_marker && !terminal) exchange.send_payload("data: [DONE]\n\n");
    if (exchange.chunked_out) out.send("0\r\n\r\n");
    record.stream_end = label_of(record.stream_end);
}

}  // namespace

void Exchange::show_as_events(Leg& leg, std::string_view json) {
    const std::optional<std::string> events = events_of(asked.endpoint, json, true);
    if (!events)
        return leg.fail(Phase::before_output, Cause::bad_body, "the upstream's answer is no answer of this endpoint");
    record.stream = true;
    EventStream stream{*this, leg, *dialect_of(asked.endpoint), !facts.usage_asked, true};
    stream.take(*events);
    stream.send_batch();
    stream.end(Answer::Read::done);
    stream.finish();
}

Task<void> Exchange::relay_events(Leg& leg, const Dialect& dialect) {
    if (!leg.undo_encoding()) co_return;
    leg.outcome.event_stream = true;
    EventStream stream{*this, leg, dialect, leg.outcome.usage_was_injected};
    session.deadlines.set(Deadline::stream_progress, core.reactor.now(), timeouts.stream_progress);
    for (std::size_t shown = 0;;) {
        std::string_view payload;
        Answer::Read read = leg.answer->next_of_read(payload);
        const bool others = shown >= fair_share;
        if (read == Answer::Read::again) {  // the next read overwrites the bytes that the batch points to
            stream.send_batch();
            bool taken = true;
            if (out.pending()) taken = co_await flush();
            if (!taken) leg.fail(stream.phase(), Cause::client_gone, "the client left");
            if (!taken) break;
            if (others)
                session.wake_later();
            else
                read = leg.answer->next(payload);
            if (others) shown = 0;
        }
        shown += payload.size();
        if (read == Answer::Read::ready && stream.take(payload)) continue;
        stream.send_batch();
        if (read != Answer::Read::again) {
            stream.end(read);
            break;
        }
        stream.set_deadline(core.reactor.now());
        if (!others && leg.transport.watch().take_readable()) continue;  // it came during another wait
        const Wake why = co_await session.wait();
        leg.transport.watch().take_readable();
        if (ended_by(why, leg, session, stream.phase())) break;
    }
    stream.finish();
}

}  // namespace streamkeeper::net
