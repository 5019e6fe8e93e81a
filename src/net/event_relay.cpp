// The event relay: complete events of a stream, forwarded in the turn of the loop in which their last byte came.
//
// What an event means, whether it is shown, kept or told in other words, is the splicer's to say; this file moves
// bytes, keeps deadlines and pays for memory. The commit is a step of its own.
#include <algorithm>

#include "net/exchange.hpp"
#include "net/resumption.hpp"
#include "policy/mutation.hpp"
#include "streamkeeper/dialect.hpp"
#include "streamkeeper/document_events.hpp"
#include "streamkeeper/splicer.hpp"
#include "streamkeeper/usage.hpp"

namespace streamkeeper::net {

namespace {

constexpr std::size_t most_pieces = 60;
/// Held, or kept as transcript, without asking the budget: most answers are shorter.
constexpr std::size_t free_bytes = 4u << 10, budget_step = 64u << 10;
/// After the terminal event the last chunk is all that can come; the client does not wait long for it.
constexpr Duration wait_for_the_end{2000};
/// The longest time that a continuation's first words are kept back (resumption.md, "Seam check").
constexpr Duration seam_time{1500};

/// One attempt's events on their way to the client.
struct EventStream {
    Exchange& exchange;
    Leg& leg;
    Splicer& splicer;
    bool converted = false;        ///< from a document (document_events.hpp)
    Assembly* assembly = nullptr;  ///< nothing is shown: a document is made of it
    sse::Splitter splitter{};
    std::string head{};                     ///< ours, sent with the first payload
    std::vector<std::string_view> batch{};  ///< events of this turn, neighbours joined
    bool broken = false, refused = false, showing = false, ending = false;

    Phase phase() const { return !assembly && splicer.joined() ? Phase::after_output : Phase::before_output; }
    /// Takes a run of payload. False: the stream is over for us, and `end` says how.
    bool take(std::string_view payload);
    bool take_event(std::string_view event, std::string_view payload);
    bool assemble(const Splicer::Step&);
    void add_to_document(std::string_view event);
    /// Says in the leg's outcome how the stream ended; it may have ended well.
    void end(Answer::Read how);
    void note_fault();
    void show_rest();
    /// Supplies what is missing of a finished stream, and names the end.
    void finish();
    void set_deadline(TimePoint now);
    bool take_seam_time();
    void note(const EventFacts&);
    void commit();
    void begin_showing();
    void show(const Splicer::Step&, std::string_view payload);
    void add(std::string_view bytes, std::string_view payload);
    void send_batch(bool last = false);
    bool pay(std::string_view payload);
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

/// False: the stream is over for us.
bool EventStream::take_event(std::string_view event, std::string_view payload) {
    const Splicer::Step step = splicer.take(event);
    note(splicer.facts());
    if (splicer.fault() != Fault::none) {
        note_fault();
        return false;
    }
    if (assembly) return assemble(step);
    show(step, payload);
    // Output commits the stream although it may be held (contract, section 4).
    if (!showing && splicer.began() && !exchange.committed) commit();
    return pay(payload);
}

/// A document is made of what the client of a stream would have been shown.
bool EventStream::assemble(const Splicer::Step& step) {
    sse::Splitter held;
    held.feed(step.before);
    for (std::string_view event; held.next(event);) add_to_document(event);
    add_to_document(step.event);
    while (!refused && assembly->bytes() + splicer.held_bytes() > free_bytes + exchange.held_paid.bytes())
        refused = !exchange.held_paid.grow(exchange.core.budget, BudgetKind::held, budget_step);
    return !refused;
}

void EventStream::add_to_document(std::string_view event) {
    std::string joined;
    const sse::Event read = sse::read(event, joined);
    if (read.has_data) assembly->add(read);
}

void EventStream::note(const EventFacts& facts) {
    if (facts.usage) read_usage(splicer.event().data, exchange.record.usage);
    if (!facts.payload) return;
    exchange.session.deadlines.set(Deadline::stream_progress, exchange.core.reactor.now(),
                                   exchange.timeouts.stream_progress);
}

/// The fault in the words of an outcome. What the upstream itself said counts like a status.
void EventStream::note_fault() {
    constexpr Phase shown = Phase::after_output;  // by the call that it was to go on with
    switch (splicer.fault()) {
        case Fault::none: return;
        case Fault::malformed: return leg.fail(phase(), Cause::bad_body, "an event of the stream is no JSON value");
        case Fault::ended_early: return leg.fail(phase(), Cause::closed, "the stream ended without a finish");
        case Fault::diverged:
            return leg.fail(shown, Cause::bad_body, "the answer came differently when it was asked for again");
        case Fault::anew:
            return leg.fail(shown, Cause::bad_body, "the upstream began the answer anew instead of going on");
        case Fault::other_model:
            return leg.fail(shown, Cause::bad_body, "another model would have gone on with the answer");
        case Fault::error: break;
    }
    const sse::Event& event = splicer.event();
    const std::vector<std::string_view> secrets = secrets_of(*exchange.config);
    std::string text = event.name.empty() ? std::string() : "event: " + std::string(event.name) + "\n";
    if (!event.error.empty()) text.append("error: ").append(event.error).append("\n");
    if (event.has_data) text.append("data: ").append(event.data).append("\n");
    leg.outcome.error =
        read_vendor_error(leg.answer->head().status, "text/event-stream", mask_secrets(text + "\n", secrets));
    leg.outcome.vendor_body = mask_secrets(std::string(event.data), secrets);
    exchange.read_waits(leg);
    leg.fail(phase(), Cause::stream_error, "");
}

void EventStream::end(Answer::Read how) {
    leg.outcome.output_began = splicer.began();
    // Some servers leave out the last blank line; what is whole counts, unless the connection itself broke.
    const bool clean = how == Answer::Read::done && !broken && leg.outcome.cause == Cause::answered;
    if (clean && splitter.pending() > 0 && !splicer.terminal() && splicer.fault() == Fault::none) {
        send_batch();  // what it points to may lie in the splitter
        splitter.feed("\n\n");
        for (std::string_view event; splitter.next(event);)
            if (!take_event(event, {})) break;
    }
    if (mutated('g')) show_rest();
    if (broken || splicer.finished() || splicer.fault() != Fault::none || leg.outcome.cause != Cause::answered)
        return;  // said already, or nothing to say
    if (refused) return leg.fail(phase(), Cause::bad_body, "a longer answer than limits.memory allows to hold");
    if (splitter.too_long()) return leg.fail(phase(), Cause::bad_body, "an event of the stream is longer than 16 MiB");
    if (how == Answer::Read::broken) return leg.fail(phase(), Cause::bad_body, leg.answer->problem());
    leg.fail(phase(), Cause::closed, "the stream ended without a finish");
}

/// Fault (g) of test builds: the beginning of an event that never ended.
void EventStream::show_rest() {
    splitter.feed("\n\n");
    for (std::string_view event; showing && splitter.next(event);) add(event, {});
}

void EventStream::set_deadline(TimePoint now) {
    const Timeouts& timeouts = exchange.timeouts;
    Deadlines& deadlines = exchange.session.deadlines;
    if (splicer.terminal()) {
        if (!ending) deadlines.set(Deadline::stream_idle, now, wait_for_the_end);
        ending = true;
        deadlines.clear(Deadline::heartbeat);  // nothing is shown behind the end
    } else if (splicer.began()) {
        deadlines.clear(Deadline::first_byte);
        deadlines.set(Deadline::stream_idle, now, timeouts.stream_idle);
    } else {
        deadlines.set(Deadline::first_byte, now, timeouts.first_byte);
    }
    if (!splicer.doubting())
        deadlines.clear(Deadline::seam);
    else if (!deadlines.has(Deadline::seam))
        deadlines.set(Deadline::seam, now, seam_time);
}

/// True if that was all that had passed. The first words of a continuation have waited long enough.
bool EventStream::take_seam_time() {
    if (exchange.session.passed() != Deadline::seam) return false;
    exchange.session.deadlines.clear(Deadline::seam);
    show(splicer.judge_seam(), {});
    note_fault();
    send_batch();
    return splicer.fault() == Fault::none;
}

void EventStream::commit() {
    head = exchange.answer_head(leg, exchange.open_framing(),
                                converted ? std::string_view("text/event-stream; charset=utf-8") : std::string_view());
    if (!exchange.early) exchange.begin_heartbeats();
}

void EventStream::begin_showing() {
    Record& record = exchange.record;
    if (record.first_output == TimePoint{}) record.first_output = Clock::now();
    if (!exchange.committed) commit();
    if (exchange.resumption && !exchange.resumption->gap)
        exchange.resumption->gap = Clock::now() - exchange.resumption->broke_at;
    showing = true;
}

void EventStream::show(const Splicer::Step& step, std::string_view payload) {
    if (step.empty()) return;
    if (!showing) begin_showing();
    if (!splicer.continuable() && !splicer.finished()) exchange.free_body(leg);
    if (!step.before.empty()) batch.push_back(step.before);
    if (!step.event.empty()) add(step.event, payload);
    if (!step.before.empty()) send_batch();  // it is valid until the next event alone
}

void EventStream::add(std::string_view event, std::string_view payload) {
    const bool lasting = event.data() >= payload.data() && event.data() < payload.data() + payload.size();
    if (!batch.empty() && lasting && batch.back().data() + batch.back().size() == event.data()) {
        batch.back() = {batch.back().data(), batch.back().size() + event.size()};
        return;
    }
    batch.push_back(event);
    // An event put together from two reads lies in the splitter only until the next one.
    if (!lasting || batch.size() >= most_pieces) send_batch();
}

/// `last`: the body ends with it.
void EventStream::send_batch(bool last) {
    if (batch.empty() && head.empty() && !last) return;
    if (!batch.empty()) exchange.last_shown = exchange.last_event = exchange.core.reactor.now();
    if (exchange.chunked_out) {
        exchange.out.send_chunk(head, batch, last);
    } else {
        if (!head.empty()) batch.insert(batch.begin(), head);
        if (!batch.empty()) exchange.out.send(batch);
    }
    head.clear();
    batch.clear();
}

/// Takes from the budget what is held and what is kept. What does not fit is shown, and the stream can't be resumed.
/// False: it may not be shown yet, so the stream is over for us.
bool EventStream::pay(std::string_view payload) {
    const auto covered = [this](Reservation& paid, BudgetKind kind, std::size_t bytes) {
        while (bytes > free_bytes + paid.bytes())
            if (!paid.grow(exchange.core.budget, kind, budget_step)) return false;
        return true;
    };
    const bool fits = covered(exchange.held_paid, BudgetKind::held, splicer.held_bytes()) &&
                      covered(exchange.transcript_paid, BudgetKind::transcripts, splicer.transcript_bytes());
    if (fits) return true;
    refused = !splicer.began();
    if (refused) return false;
    exchange.note_unresumable();
    show(splicer.release(), payload);
    note_fault();
    send_batch();
    if (splicer.fault() != Fault::none) return false;
    exchange.held_paid.shrink(0);
    exchange.transcript_paid.shrink(0);
    return true;
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
    record.usage_expected = splicer.finished();
    if (!splicer.finished()) {
        send_batch();
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
    if (!splicer.terminal()) batch.push_back(dialect_of(exchange.asked.endpoint)->closing);
    const auto arrived = [this] { return splicer.terminal() && !exchange.out.pending() && !exchange.out.failed(); };
    const bool before = batch.empty() && arrived();  // a client may leave before it gets the last chunk
    send_batch(true);
    exchange.shown_whole = before || arrived();
    record.stream_end = label_of(splicer.finish_reason());
}

}  // namespace

void Exchange::begin_splicing(const Leg& leg) {
    if (!splicer || !facts.stream || !splicer->shown())
        splicer = std::make_unique<Splicer>(asked.endpoint, splicer_settings());
    splicer->begin(join(leg));
    held_paid.shrink(0);
}

void Exchange::show_as_events(Leg& leg, std::string_view json) {
    const std::optional<std::string> events = events_of(asked.endpoint, json, facts.usage_asked);
    if (!events)
        return leg.fail(Phase::before_output, Cause::bad_body, "the upstream's answer is no answer of this endpoint");
    if (going_on() && (resumption->strategy == Strategy::native || vendor_fell_back))
        return leg.fail(Phase::before_output, Cause::bad_body, "a document can't go on with the stream");
    record.stream = true;
    leg.outcome.event_stream = true;
    begin_splicing(leg);
    EventStream stream{*this, leg, *splicer, true};
    read_usage(json, record.usage);
    stream.take(*events);
    stream.end(Answer::Read::done);
    stream.finish();
}

void Exchange::send_assembled(Leg& leg, const Assembly& assembly) {
    leg.outcome.cause = Cause::answered;
    leg.outcome.detail.clear();
    const std::optional<std::string> document = assembly.document();
    if (!document)
        return leg.fail(Phase::before_output, Cause::bad_body, "the upstream's stream is no answer of this endpoint");
    record.usage_expected = true;
    send_document(leg, *document, "application/json");
}

Task<void> Exchange::relay_events(Leg& leg) {
    if (!leg.undo_encoding()) co_return;
    leg.outcome.event_stream = true;
    if (other_model_goes_on())
        leg.fail(Phase::before_output, Cause::bad_body, "another model would have gone on with the answer");
    if (leg.outcome.cause != Cause::answered) co_return;
    begin_splicing(leg);
    std::optional<Assembly> assembly;
    if (!facts.stream) assembly.emplace(asked.endpoint);
    EventStream stream{*this, leg, *splicer, false, assembly ? &*assembly : nullptr};
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
        if (read != Answer::Read::again) {
            stream.end(read);
            break;
        }
        stream.send_batch();
        stream.set_deadline(core.reactor.now());
        if (!others && leg.transport.watch().take_readable()) continue;  // it came during another wait
        const Wake why = co_await session.wait();
        leg.transport.watch().take_readable();
        if (why == Wake::deadline && stream.take_seam_time()) continue;
        if (splicer->fault() != Fault::none || ended_by(why, leg, session, stream.phase())) break;
    }
    if (assembly && splicer->finished()) co_return send_assembled(leg, *assembly);
    if (!assembly) stream.finish();
}

}  // namespace streamkeeper::net
