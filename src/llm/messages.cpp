// Anthropic's Messages: typed events around content blocks, the end marked by `message_stop`.

#include "llm/event_parts.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {
namespace {

using namespace event_parts;

/// A delta's text, thinking, partial JSON, signature or citation: anything but its `type` that is not empty.
bool delta_has_output(std::string_view delta) {
    for (json::MemberCursor at{delta, {}, {}}; json::next_member(at);)
        if (filled(at.value) && !at.is("type")) return true;
    return false;
}

/// A tool call is shown by its block's opening; text and thinking open empty and are shown by their deltas, but some
/// servers put the first words into the opening, and redacted thinking (`data`) stands there whole.
bool block_has_output(std::string_view block) {
    if (bare(json::find(block, "type")).find("tool") != std::string_view::npos) return true;
    return filled(json::find(block, "text")) || filled(json::find(block, "thinking")) ||
           filled(json::find(block, "data"));
}

EventFacts read_typed(const sse::Event& event) {
    EventFacts facts;
    facts.error = error_in(event);
    const std::string_view data = event.data;
    std::string_view type = bare(json::find(data, "type"));
    if (type.empty()) type = event.name;
    if (type == "content_block_delta") {
        facts.payload = delta_has_output(json::find(data, "delta"));
    } else if (type == "content_block_start") {
        facts.payload = block_has_output(json::find(data, "content_block"));
    } else if (type == "message_start") {
        facts.usage = filled(json::find(json::find(data, "message"), "usage"));
    } else if (type == "message_delta") {
        facts.finish_reason = bare(json::find(json::find(data, "delta"), "stop_reason"));
        facts.finish = !facts.finish_reason.empty();
        facts.usage = filled(json::find(data, "usage"));
    }
    facts.terminal = type == "message_stop" || is_done(data);
    return facts;
}

std::string error_event(std::string_view error_json, std::int64_t) {
    const bool whole = json::find(error_json, "type") == "\"error\"" && !json::find(error_json, "error").empty();
    const std::string data =
        whole ? one_line(error_json) : "{\"type\":\"error\",\"error\":" + one_line(inner_error(error_json)) + "}";
    return "event: error\ndata: " + data + "\n\n";
}

}  // namespace

const Dialect messages_dialect{"messages",       read_typed,
                               shows_of_message, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
                               error_event,      "event: ping\ndata: {\"type\":\"ping\"}\n\n"};

}  // namespace streamkeeper
