// The event relay: complete events of a stream, forwarded in the turn of the loop in which their last byte came.
//
// An event is shown as it is, byte for byte. Events before the first payload are held, so that a failure until then can
// still become a real status; the commit is a step of its own.
#include <algorithm>

#include "net/exchange.hpp"
#include "streamkeeper/dialect.hpp"
#include "streamkeeper/inflate.hpp"
#include "streamkeeper/usage.hpp"

namespace streamkeeper::net {

namespace {

constexpr std::size_t most_pieces = 60;
/// After the terminal event the last chunk is all that can come; the client does not wait long for it.
constexpr Duration wait_for_the_end{2000};

/// What one stream has shown so far, and what it has still to show in this turn.
struct EventStream {
    Exchange& exchange;
    Leg& leg;
    const Dialect& dialect;
    bool hide_usage;
    sse::Splitter splitter;
    std::string head;                     ///< ours, sent with the first payload
    std::string held;                     ///< events before it
    std::vector<std::string_view> batch;  ///< events of this turn, neighbours joined
    std::string joined;                   ///< storage of sse::read
    std::vector<char> open_choices;       ///< see Dialect::note_choices
    bool output = false, finish = false, finished = false, terminal = false, failed = false;

    bool ended_early() const { return terminal && !finished; }
    void take(std::string_view payload);
    bool take_event(std::string_view event, std::string_view payload);
    void show(std::string_view event, std::string_view payload);
    void send_batch();
    void note(const EventFacts&, const sse::Event&);
    bool every_choice(const sse::Event&);
};

void EventStream::take(std::string_view payload) {
    splitter.feed(payload);
    for (std::string_view event; splitter.next(event);)
        if (!take_event(event, payload)) return;
}

/// False: the stream is over for us.
bool EventStream::take_event(std::string_view event, std::string_view payload) {
    const sse::Event read = sse::read(event, joined);
    const EventFacts facts = read.has_data || !read.name.empty() ? dialect.read(read) : EventFacts{};
    if (finished && facts.error) return true;  // after completion every fault is ignored (resumption.md)
    if (facts.error || facts.failed) {
        const std::string_view type = "text/event-stream";
        const std::vector<std::string_view> secrets = secrets_of(*exchange.config);
        leg.outcome.error =
            read_vendor_error(leg.answer->head().status, type, mask_secrets(std::string(event), secrets));
        leg.outcome.vendor_body = mask_secrets(std::string(read.data), secrets);
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
                                       exchange.plan.timeouts.stream_progress);
        head = exchange.answer_head(leg, exchange.open_framing());
        batch.push_back(held);
    }
    if (facts.payload)
        exchange.session.deadlines.set(Deadline::stream_progress, exchange.core.reactor.now(),
                                       exchange.plan.timeouts.stream_progress);
    if (!output)
        held.append(event);
    else
        show(event, payload);
    return true;
}

void EventStream::note(const EventFacts& facts, const sse::Event& event) {
    if (facts.usage) read_usage(event.data, exchange.record.usage);
    if (facts.finish) finish = true;
    if (facts.terminal) terminal = true;
    const bool all = every_choice(event);
    finished = finish && all;
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
    if (exchange.chunked_out) {
        exchange.out.send_chunk(head, batch);
    } else {
        if (!head.empty()) batch.insert(batch.begin(), head);
        exchange.out.send(batch);
    }
    head.clear();
    batch.clear();
    held.clear();
}

/// Of several choices each needs its own finish; a vendor that knows no `n` sends fewer, and then ends of itself.
bool EventStream::every_choice(const sse::Event& event) {
    const unsigned asked = exchange.facts.choices;
    if (asked <= 1 || !dialect.note_choices) return true;
    dialect.note_choices(event.data, open_choices);
    const bool all_closed = std::find(open_choices.begin(), open_choices.end(), 1) == open_choices.end();
    return all_closed && (open_choices.size() >= asked || terminal);
}

std::string_view label_of(std::string_view finish_reason) {
    if (finish_reason == "length" || finish_reason == "max_tokens" || finish_reason == "max_output_tokens")
        return "length";
    if (finish_reason == "tool_calls" || finish_reason == "tool_use" || finish_reason == "function_call")
        return "tool_calls";
    return finish_reason == "content_filter" || finish_reason == "refusal" ? "content_filter" : "finish";
}

}  // namespace

Task<void> Exchange::relay_events(Leg& leg, const Dialect& dialect, bool hide_usage) {
    Answer& answer = *leg.answer;
    EventStream stream{*this, leg, dialect, hide_usage, {}, {}, {}, {}, {}, {}};
    const std::string_view coding = answer.head().fields.get("content-encoding");
    std::unique_ptr<http::Inflater> inflater = http::Inflater::of(coding);
    if (!coding.empty() && !inflater && !http::equal_ignoring_case(coding, "identity")) {
        leg.fail(
            Phase::before_output, Cause::bad_body,
            "the stream is encoded as '" + std::string(coding.substr(0, 32)) + "' although identity was asked for");
        co_return;
    }
    std::string inflated;
    session.deadlines.set(Deadline::first_byte, core.reactor.now(), plan.timeouts.first_byte);
    session.deadlines.set(Deadline::stream_progress, core.reactor.now(), plan.timeouts.stream_progress);
    for (;;) {
        std::string_view payload;
        Answer::Read read = answer.next_of_read(payload);
        if (read == Answer::Read::again) {  // the next read overwrites the bytes that the batch points to
            stream.send_batch();
            const bool taken = co_await flush();
            if (!taken) {
                leg.fail(stream.output ? Phase::after_output : Phase::before_output, Cause::client_gone,
                         "the client left");
                break;
            }
            read = answer.next(payload);
        }
        if (read == Answer::Read::ready) {
            if (inflater) {
                stream.send_batch();
                inflated.clear();
                if (!inflater->feed(payload, inflated)) {
                    leg.fail(stream.output ? Phase::after_output : Phase::before_output, Cause::bad_body,
                             "the stream's encoding is broken");
                    break;
                }
                payload = inflated;
            }
            stream.take(payload);
            if (!stream.failed && !stream.ended_early() && !stream.splitter.too_long()) continue;
        }
        stream.send_batch();
        const Phase phase = stream.output ? Phase::after_output : Phase::before_output;
        if (stream.failed) {
            leg.fail(phase, Cause::stream_error, "");
            break;
        }
        if (stream.splitter.too_long()) {
            leg.fail(phase, Cause::bad_body, "an event of the stream is longer than 16 MiB");
            break;
        }
        if (read == Answer::Read::done || read == Answer::Read::closed || read == Answer::Read::broken ||
            stream.ended_early()) {
            if (stream.finished) break;
            const bool broken = read == Answer::Read::broken;
            leg.fail(phase, broken ? Cause::bad_body : Cause::closed,
                     broken ? answer.problem() : "the stream ended without a finish");
            break;
        }
        const TimePoint now = core.reactor.now();
        if (stream.terminal)
            session.deadlines.set(Deadline::stream_idle, now, wait_for_the_end);
        else if (stream.output)
            session.deadlines.set(Deadline::stream_idle, now, plan.timeouts.stream_idle);
        else
            session.deadlines.set(Deadline::first_byte, now, plan.timeouts.first_byte);
        if (leg.transport.watch().take_readable()) continue;  // it came during another wait
        const Wake why = co_await session.wait();
        leg.transport.watch().take_readable();
        if (why == Wake::ready) continue;
        ended_by(why, leg, session, stream.output ? Phase::after_output : Phase::before_output);
        break;
    }
    record.usage_expected = stream.finished;
    if (stream.finished) {
        // Complete: what still goes wrong, the client leaving included, is no failure (contract, section 4).
        leg.outcome.cause = Cause::answered;
        leg.outcome.detail.clear();
        if (!stream.output) co_return;
        shown_whole = stream.terminal && !out.pending() && !out.failed();
        constexpr std::string_view done = "data: [DONE]\n\n";
        if (dialect.done_marker && !stream.terminal && chunked_out)
            out.send_chunk({}, std::span(&done, 1));
        else if (dialect.done_marker && !stream.terminal)
            out.send(done);
        if (chunked_out) out.send("0\r\n\r\n");
        record.stream_end = label_of(record.stream_end);
        co_return;
    }
    const bool silent = leg.outcome.cause == Cause::timeout;
    record.stream_end = leg.outcome.cause == Cause::client_gone    ? "client_closed"
                        : leg.outcome.cause == Cause::stream_error ? "error"
                        : silent                                   ? "stalled"
                                                                   : "truncated";
}

}  // namespace streamkeeper::net
