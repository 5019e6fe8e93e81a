// OpenAI's Responses: typed events, the last of which repeats the whole answer. No `[DONE]`.

#include "llm/event_parts.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {
namespace {

using namespace event_parts;

/// Output comes in deltas; items that have none are calls without arguments and whole items of simpler servers.
/// A reasoning item that is done has been shown by its deltas, or carries nothing a person sees.
bool has_output(std::string_view type, std::string_view data) {
    if (type.ends_with(".delta")) return filled(json::find(data, "delta"));
    if (type.ends_with(".partial_image")) return true;
    const bool added = type == "response.output_item.added", done = type == "response.output_item.done";
    if (!added && !done) return false;
    const std::string_view item = bare(json::find(json::find(data, "item"), "type"));
    return item.ends_with("_call") || (done && item == "message");
}

EventFacts read_typed(const sse::Event& event) {
    EventFacts facts;
    facts.error = error_in(event);
    const std::string_view data = event.data;
    if (is_done(data)) {
        facts.terminal = true;
        return facts;
    }
    std::string_view type = bare(json::find(data, "type"));
    if (type.empty()) type = event.name;
    facts.payload = has_output(type, data);
    if (facts.payload) return facts;
    if (type == "response.completed") {
        facts.finish_reason = "stop";
    } else if (type == "response.cancelled") {
        facts.finish_reason = "cancelled";
    } else if (type == "response.incomplete") {
        facts.finish_reason =
            bare(json::find(json::find(json::find(data, "response"), "incomplete_details"), "reason"));
        if (facts.finish_reason.empty()) facts.finish_reason = "incomplete";
    }
    facts.finish = facts.terminal = !facts.finish_reason.empty();
    facts.failed = type == "response.failed";
    if (has_value(data, "\"usage\"")) facts.usage = filled(json::find(json::find(data, "response"), "usage"));
    return facts;
}

/// Flat as OpenAI documents it, and once more as a member `error`, because openai-python throws only on that.
std::string error_event(std::string_view error_json, std::int64_t sequence) {
    const std::string_view error = inner_error(error_json);
    const auto member = [error](std::string_view name, std::string_view otherwise) {
        const std::string_view value = json::find(error, name);
        return std::string("\"").append(name).append("\":").append(value.empty() ? otherwise : value).append(",");
    };
    return "event: error\ndata: {\"type\":\"error\"," + one_line(member("code", "null")) +
           one_line(member("message", "\"\"")) + one_line(member("param", "null")) +
           "\"sequence_number\":" + std::to_string(sequence) + ",\"error\":" + one_line(error) + "}\n\n";
}

}  // namespace

// Its no-op, `keepalive`, carries a sequence number and is allowed only after `response.created`.
const Dialect responses_dialect{"responses", read_typed, shows_of_response, "", error_event, ""};

}  // namespace streamkeeper
