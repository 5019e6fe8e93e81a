// Answers that are one JSON document: collected, judged, metered, then shown whole.
#include <algorithm>

#include "http/byte_scan.hpp"
#include "net/exchange.hpp"

namespace streamkeeper::net {

namespace {

constexpr std::size_t largest_error = 1u << 20;
constexpr std::size_t small_answer = 4096;  ///< an error that has nothing but a `detail` is no longer
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

/// What must be read as JSON before it is shown: an error in a 200, what may be cut, what is no JSON at all.
bool suspicious(std::string_view json, const http::ResponseHead& head) {
    const std::size_t first = json.find_first_not_of(" \t\r\n");
    // Only a Content-Length tells that nothing is missing: a proxy may end the chunks of an answer that was cut.
    if (first == std::string_view::npos || head.body.kind != http::Framing::Kind::length) return true;
    if (json[first] != '{' && json[first] != '[') return true;
    const char* const end = json.data() + json.size();
    if (byte_scan::find(json.data(), end, "\"error\"") != end) return true;
    // An error that has only a `detail` begins with it, or nearly so.
    const char* const near = json.data() + std::min<std::size_t>(json.size(), 256);
    return json.size() < small_answer && byte_scan::find(json.data(), near, "\"detail\"") != near;
}

/// Errors that are an array, or an object without an `error` of its own: only where something looked like one.
bool is_other_error(std::string_view json, const std::vector<json::Member>& members, const http::ResponseHead& from) {
    const bool answer = std::any_of(members.begin(), members.end(), [json](const json::Member& member) {
        return json::key_is(json, member, "choices") || json::key_is(json, member, "output") ||
               json::key_is(json, member, "content") || json::key_is(json, member, "data");
    });
    if (answer || json.size() >= small_answer || !suspicious(json, from)) return false;
    const VendorError error = read_vendor_error(from.status, from.fields.get("content-type"), json);
    return error.found() && error.shape != "empty" && error.shape != "text";
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

}  // namespace

Task<void> Exchange::relay_json(Leg& leg) {
    if (!leg.undo_encoding()) co_return;
    Reservation reserved;
    Buffer collected;
    for (;;) {
        const Payload next = co_await next_payload(leg, Phase::before_output);
        if (next.state == Payload::State::failed) co_return;
        if (next.state == Payload::State::done) break;
        bool fits = true;
        while (fits && collected.size() + next.bytes.size() > reserved.bytes())
            fits = reserved.grow(core.budget, BudgetKind::bodies, budget_step);
        if (!fits && wanted_dialect()) {
            leg.fail(Phase::before_output, Cause::bad_body,
                     "the upstream's answer is no stream, and larger than limits.memory allows");
            co_return;
        }
        if (!fits) {
            co_await stream_document(leg, std::move(collected), next.bytes);
            co_return;
        }
        collected.append(next.bytes);
    }
    show_document(leg, collected.view());
}

/// Too large to be held: shown as it comes, and not metered.
Task<void> Exchange::stream_document(Leg& leg, Buffer collected, std::string_view more) {
    out.send(answer_head(leg, open_framing()));
    record.first_output = Clock::now();
    send_payload(collected.view());
    collected.release();
    Payload next{Payload::State::run, more};
    while (next.state == Payload::State::run) {
        send_payload(next.bytes);
        leg.answer->keep_unread();
        const bool taken = co_await flush();
        if (!taken) leg.fail(Phase::after_output, Cause::client_gone, "the client left");
        if (!taken) co_return;
        next = co_await next_payload(leg, Phase::after_output);
    }
    if (next.state == Payload::State::done && chunked_out) out.send("0\r\n\r\n");
}

void Exchange::show_document(Leg& leg, std::string_view json) {
    const http::ResponseHead& from = leg.answer->head();
    std::vector<json::Member> members;
    std::optional<json::Mistake> mistake;
    const bool stream_asked = wanted_dialect() != nullptr;
    if (!json.empty() && (stream_asked || suspicious(json, from))) mistake = json::scan(json, &members);
    const std::size_t first = json.find_first_not_of(" \t\r\n");
    const bool begun = first == json.npos || json[first] == '{' || json[first] == '[';
    const bool measured = from.body.kind == http::Framing::Kind::length || from.status != 200;
    if (!measured && begun && (mistake || first == json.npos))
        return leg.fail(Phase::before_output, Cause::closed, "the upstream ended its answer in the middle");
    if (mistake && read_vendor_error(from.status, {}, json).html) return page_instead(leg);
    if (!mistake && (is_error(json, members) || is_other_error(json, members, from))) {
        leg.fail(Phase::before_output, Cause::stream_error, "");
        leg.outcome.vendor_body = mask_secrets(std::string(json), secrets_of(*config));
        leg.outcome.error = read_vendor_error(from.status, from.fields.get("content-type"), leg.outcome.vendor_body);
        return read_waits(leg);
    }
    // The stream may have begun with comments: what can't be told as one is no answer.
    if (stream_asked && mistake)
        return leg.fail(Phase::before_output, Cause::bad_body, "the upstream's answer is neither a stream nor JSON");
    if (stream_asked) return show_as_events(leg, json);
    if (!mistake) meter(json, record.usage);
    record.usage_expected = true;
    send_document(leg, json, {});
}

void Exchange::send_document(Leg& leg, std::string_view json, std::string_view content_type) {
    const std::string bytes = answer_head(leg, {http::Framing::Kind::length, json.size()}, content_type);
    record.first_output = Clock::now();
    const std::array<std::string_view, 2> pieces = {bytes, json};
    out.send(pieces);
}

Task<void> Exchange::read_error(Leg& leg) {
    leg.undo_encoding();
    std::string collected;
    while (collected.size() < largest_error) {
        const Payload next = co_await next_payload(leg, Phase::before_output);
        // The status is known; if the text is cut, what came of it serves.
        if (next.state != Payload::State::run) break;
        collected.append(next.bytes.substr(0, largest_error - collected.size()));
    }
    if (leg.outcome.cause == Cause::client_gone || leg.outcome.cause == Cause::shutdown) co_return;
    leg.fail(Phase::before_output, Cause::answered, "");
    // Before anything is cut out of it: half a key at a cut would not be found any more.
    collected = mask_secrets(std::move(collected), secrets_of(*config));
    const http::ResponseHead& from = leg.answer->head();
    leg.outcome.error = read_vendor_error(from.status, from.fields.get("content-type"), collected);
    if (leg.outcome.error.html) page_instead(leg);
    collected.resize(std::min(collected.size(), 2 * max_vendor_body));  // it is kept while the request waits
    collected.shrink_to_fit();
    leg.outcome.vendor_body = std::move(collected);
    read_waits(leg);
}

void Exchange::read_waits(Leg& leg) const {
    const http::ResponseHead& from = leg.answer->head();
    const VendorError& error = leg.outcome.error;
    leg.outcome.wait = wait_hint(error.eff_status, from.fields, error, std::chrono::system_clock::now());
    leg.outcome.should_retry = should_retry(from.fields);
}

}  // namespace streamkeeper::net
