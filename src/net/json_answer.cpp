// Answers that are one JSON document: collected, judged, metered, then shown whole.
#include <algorithm>

#include "http/byte_scan.hpp"
#include "net/exchange.hpp"
#include "streamkeeper/inflate.hpp"

namespace streamkeeper::net {

namespace {

constexpr std::size_t largest_error = 1u << 20;
constexpr Bytes budget_step = 256u << 10;

/// A JSON error in a 200 (errors.md, trap 4). A Responses object carries its own `error` and is an answer all the same.
bool is_error(std::string_view json, const std::vector<json::Member>& members) {
    bool error = false;
    for (const json::Member& member : members) {
        if (json::key_is(json, member, "object") && member.value.in(json) == "\"response\"") return false;
        if (json::key_is(json, member, "error"))
            error = member.kind == json::Kind::object || (member.kind == json::Kind::string && member.value.size() > 2);
    }
    return error;
}

/// The counts stand under `"usage"`, nearly always near the end; in a string the quotes would be escaped, so a name
/// that is followed by an object is no text. What this quick look does not find, the thorough one does.
void meter(std::string_view json, Usage& usage) {
    constexpr std::string_view name = "\"usage\"", blank = " \t\r\n";
    const std::size_t at = json.rfind(name);
    const std::size_t colon = at == json.npos ? json.npos : json.find_first_not_of(blank, at + name.size());
    const std::size_t value =
        colon == json.npos || json[colon] != ':' ? json.npos : json.find_first_not_of(blank, colon + 1);
    if (value != json.npos && json[value] == '{') read_usage_object(json.substr(value), usage);
    if (!usage.any()) read_usage(json, usage);
}

/// What must be read as JSON before it is shown: an error in a 200, what may be cut, what is no JSON at all.
bool suspicious(std::string_view json, const http::ResponseHead& head) {
    const std::size_t first = json.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos || head.body.kind == http::Framing::Kind::until_close) return true;
    if (json[first] != '{' && json[first] != '[') return true;
    const char* const end = json.data() + json.size();
    return byte_scan::find(json.data(), end, "\"error\"") != end;
}

}  // namespace

Task<void> Exchange::relay_json(Leg& leg) {
    Answer& answer = *leg.answer;
    const std::string_view coding = answer.head().fields.get("content-encoding");
    std::unique_ptr<http::Inflater> inflater = http::Inflater::of(coding);
    if (!coding.empty() && !inflater && !http::equal_ignoring_case(coding, "identity")) {
        leg.fail(
            Phase::before_output, Cause::bad_body,
            "the answer is encoded as '" + std::string(coding.substr(0, 32)) + "' although identity was asked for");
        co_return;
    }
    Reservation reserved;
    Buffer collected;
    std::string inflated;
    bool streaming = false;
    session.deadlines.set(Deadline::first_byte, core.reactor.now(), plan.timeouts.first_byte);
    for (;;) {
        std::string_view payload;
        const Answer::Read read = answer.next(payload);
        if (read == Answer::Read::done) break;
        if (read == Answer::Read::broken || read == Answer::Read::closed) {
            leg.fail(streaming ? Phase::after_output : Phase::before_output,
                     read == Answer::Read::broken ? Cause::bad_body : Cause::closed,
                     read == Answer::Read::broken ? answer.problem()
                                                  : "the upstream closed the connection in the middle of its answer");
            co_return;
        }
        if (read == Answer::Read::again) {
            if (leg.transport.watch().take_readable()) continue;  // it came during another wait
            const Wake why = co_await session.wait();
            leg.transport.watch().take_readable();
            if (ended_by(why, leg, session, streaming ? Phase::after_output : Phase::before_output)) co_return;
            continue;
        }
        session.deadlines.set(Deadline::first_byte, core.reactor.now(), plan.timeouts.first_byte);
        if (inflater) {
            inflated.clear();
            if (!inflater->feed(payload, inflated)) {
                leg.fail(Phase::before_output, Cause::bad_body,
                         "the answer's " + std::string(coding) + " data is broken");
                co_return;
            }
            payload = inflated;
        }
        if (!streaming) {
            while (collected.size() + payload.size() > reserved.bytes() && !streaming)
                streaming = !reserved.grow(core.budget, BudgetKind::bodies, budget_step);
            if (streaming) {  // too large to hold: shown as it comes, and not metered
                out.send(answer_head(leg, open_framing()));
                record.first_output = Clock::now();
                const std::string_view held = collected.view();
                if (chunked_out)
                    out.send_chunk({}, std::span(&held, 1));
                else
                    out.send(held);
                collected.release();
            }
        }
        if (!streaming) {
            collected.append(payload);
            continue;
        }
        if (chunked_out)
            out.send_chunk({}, std::span(&payload, 1));
        else
            out.send(payload);
        if (out.pending()) {
            answer.keep_unread();
            const bool taken = co_await flush();
            if (!taken) {
                leg.fail(Phase::after_output, Cause::client_gone, "the client left");
                co_return;
            }
        }
    }
    if (streaming) {
        if (chunked_out) out.send("0\r\n\r\n");
        co_return;
    }
    const std::string_view json = collected.view();
    std::vector<json::Member> members;
    std::optional<json::Mistake> mistake;
    if (!json.empty() && suspicious(json, answer.head())) mistake = json::scan(json, &members);
    const bool cut =
        (inflater && !inflater->finished()) || (mistake && answer.head().body.kind == http::Framing::Kind::until_close);
    if (cut) {
        leg.fail(Phase::before_output, Cause::closed, "the upstream closed the connection in the middle of its answer");
        co_return;
    }
    if (mistake && read_vendor_error(answer.head().status, {}, json).html) {
        leg.fail(Phase::before_output, Cause::not_an_api,
                 "the upstream answers with a web page (HTML) instead of an API's answer");
        co_return;
    }
    if (!mistake && is_error(json, members)) {
        leg.fail(Phase::before_output, Cause::stream_error, "");
        leg.outcome.vendor_body = mask_secrets(std::string(json), secrets_of(*config));
        leg.outcome.error =
            read_vendor_error(answer.head().status, answer.head().fields.get("content-type"), leg.outcome.vendor_body);
        co_return;
    }
    if (!mistake) meter(json, record.usage);
    record.usage_expected = true;
    const std::string bytes = answer_head(leg, {http::Framing::Kind::length, json.size()});
    record.first_output = Clock::now();
    const std::array<std::string_view, 2> pieces = {bytes, json};
    out.send(pieces);
}

Task<void> Exchange::read_error(Leg& leg) {
    Answer& answer = *leg.answer;
    std::unique_ptr<http::Inflater> inflater = http::Inflater::of(answer.head().fields.get("content-encoding"));
    std::string collected;
    session.deadlines.set(Deadline::first_byte, core.reactor.now(), plan.timeouts.first_byte);
    for (bool more = true; more;) {
        std::string_view payload;
        const Answer::Read read = answer.next(payload);
        switch (read) {
            case Answer::Read::ready:
                if (!inflater)
                    collected.append(payload.substr(0, largest_error - std::min(largest_error, collected.size())));
                else if (!inflater->feed(payload, collected) || collected.size() > largest_error)
                    more = false;
                if (collected.size() >= largest_error) more = false;
                continue;
            case Answer::Read::done:
            case Answer::Read::broken:
            case Answer::Read::closed: more = false; continue;  // the status is known; the text is what came of it
            case Answer::Read::again: break;
        }
        if (leg.transport.watch().take_readable()) continue;  // it came during another wait
        const Wake why = co_await session.wait();
        leg.transport.watch().take_readable();
        if (why == Wake::deadline) break;
        if (ended_by(why, leg, session, Phase::before_output)) co_return;
    }
    leg.fail(Phase::before_output, Cause::answered, "");
    // Before anything is cut out of it: half a key at a cut would not be found any more.
    collected = mask_secrets(std::move(collected), secrets_of(*config));
    leg.outcome.error = read_vendor_error(answer.head().status, answer.head().fields.get("content-type"), collected);
    if (leg.outcome.error.html)
        leg.fail(Phase::before_output, Cause::not_an_api,
                 "the upstream answers with a web page (HTML, status " + std::to_string(answer.head().status) +
                     ") instead of an API's answer");
    leg.outcome.vendor_body = std::move(collected);
}

}  // namespace streamkeeper::net
