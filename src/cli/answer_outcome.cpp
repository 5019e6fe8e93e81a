#include "cli/answer_outcome.hpp"

#include <algorithm>

#include "streamkeeper/dialect.hpp"
#include "streamkeeper/json_scan.hpp"
#include "streamkeeper/sse.hpp"

namespace streamkeeper {
namespace {

bool is_type(const RawResponse& response, std::string_view type) {
    return http::equal_ignoring_case(response.fields.get("content-type").substr(0, type.size()), type);
}

void read_error(const RawResponse& response, std::string_view body, Outcome& outcome) {
    outcome.error = read_vendor_error(response.status, response.fields.get("content-type"), body);
}

/// Streams of the other two APIs are pasted too; the first event with a type of theirs tells.
const Dialect* dialect_for(const sse::Event& event, const Dialect* present) {
    const std::string type =
        event.name.empty() ? json::unquote(json::find(event.data, "type")) : std::string(event.name);
    if (type.starts_with("response.")) return dialect_of(Endpoint::responses);
    const bool anthropic = type.starts_with("message_") || type.starts_with("content_block_");
    return anthropic ? dialect_of(Endpoint::messages) : present;
}

/// Follows the event relay: the outcome of a stream that ends where the paste ends. True: it is complete.
bool stream_complete(const RawResponse& response, Outcome& outcome) {
    const std::string whole = std::string(response.body) + "\n\n";  // the last event may lack its blank line
    const Dialect* dialect = dialect_of(Endpoint::chat_completions);
    sse::Splitter splitter;
    splitter.feed(whole);
    std::string joined;
    std::vector<char> open_choices;
    bool finish = false, finished = false;
    for (std::string_view bytes; splitter.next(bytes);) {
        const sse::Event event = sse::read(bytes, joined);
        if (!event.has_data && event.name.empty() && event.error.empty()) continue;
        dialect = dialect_for(event, dialect);
        const EventFacts facts = dialect->read(event);
        if (finished && facts.error) return true;  // after completion every fault is ignored (resumption.md)
        if (facts.error || facts.failed) {
            outcome.cause = Cause::stream_error;
            outcome.error = read_vendor_error(response.status, "text/event-stream", bytes);
            return false;
        }
        finish = finish || facts.finish;
        if (dialect->note_choices != nullptr) dialect->note_choices(event.data, open_choices);
        finished = finish && std::find(open_choices.begin(), open_choices.end(), 1) == open_choices.end();
        if (facts.payload) outcome.phase = Phase::after_output;
        if (facts.terminal) break;
    }
    outcome.cause = Cause::closed;
    return finished;
}

/// A success as its head says. True: it is one.
bool success(const RawResponse& response, Outcome& outcome) {
    if (is_type(response, "text/html")) {
        outcome.cause = Cause::not_an_api;
        return false;
    }
    const std::size_t first = response.body.find_first_not_of(" \t\r\n");
    const char begin = first == response.body.npos ? '\0' : response.body[first];
    if (begin == '{' || begin == '[') {   // whatever its type says
        if (json::scan(response.body)) {  // cut off: what came of it is not shown
            outcome.cause = Cause::closed;
            return false;
        }
        read_error(response, response.body, outcome);
        outcome.cause = Cause::stream_error;
        return !outcome.error.found();
    }
    read_error(response, response.body, outcome);
    if (outcome.error.html) {
        outcome.cause = Cause::not_an_api;
        return false;
    }
    outcome.error = {};
    outcome.event_stream = true;
    return stream_complete(response, outcome);
}

}  // namespace

std::optional<Outcome> failure_of(const RawResponse& response, std::chrono::system_clock::time_point now) {
    Outcome outcome;
    outcome.phase = Phase::before_output;
    outcome.status = response.status;
    outcome.answer_began = outcome.usage_was_injected = true;
    outcome.should_retry = should_retry(response.fields);
    if (response.status >= 300 && response.status < 400) {
        outcome.cause = Cause::not_an_api;
    } else if (response.status >= 400) {
        read_error(response, response.body, outcome);
        outcome.cause = outcome.error.html ? Cause::not_an_api : Cause::answered;
    } else if (success(response, outcome)) {
        return std::nullopt;
    }
    outcome.wait = wait_hint(response.status, response.fields, outcome.error, now);
    return outcome;
}

}  // namespace streamkeeper
