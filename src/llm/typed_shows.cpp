// What a typed event of Messages or Responses adds to its answer.
#include <algorithm>
#include <iterator>

#include "llm/event_parts.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {
namespace {

using namespace event_parts;

std::string_view type_of(const sse::Event& event) {
    const std::string_view type = bare(json::find(event.data, "type"));
    return type.empty() ? event.name : type;
}

/// The members of an event that vary are set only where it adds one string and nothing else.
void only(Shows& shows, std::string_view value) { shows.inside = bare(value); }

/// A call that the client makes. Those that the vendor makes (web search, file search, MCP …) are over when they come.
bool clients_call(std::string_view kind) {
    constexpr std::string_view kinds[] = {"function_call", "custom_tool_call", "local_shell_call",
                                          "shell_call",    "computer_call",    "apply_patch_call"};
    return std::find(std::begin(kinds), std::end(kinds), kind) != std::end(kinds);
}

}  // namespace

/// Anthropic, "Streaming messages": a block is opened, grows by deltas of its own type, and is closed. A thinking block
/// is reasoning; its signature comes last.
Shows shows_of_message(const sse::Event& event) {
    Shows shows;
    const std::string_view type = type_of(event);
    if (type == "message_start") {
        shows.opening = true;
    } else if (type == "content_block_start") {
        const std::string_view block = json::find(event.data, "content_block");
        const std::string_view kind = bare(json::find(block, "type"));
        shows.text = kind == "text" && filled(json::find(block, "text"));
        shows.words = shows.text ? bare(json::find(block, "text")) : std::string_view();
        shows.call = kind == "tool_use";
        shows.reasoning = kind == "thinking" || kind == "redacted_thinking";
        shows.other = !shows.call && !shows.reasoning && kind != "text";
    } else if (type == "content_block_delta") {
        const std::string_view delta = json::find(event.data, "delta");
        const std::string_view kind = bare(json::find(delta, "type"));
        if (kind == "text_delta") {
            shows.words = bare(json::find(delta, "text"));
            shows.text = !shows.words.empty();
            only(shows, json::find(delta, "text"));
        } else if (kind == "thinking_delta" || kind == "signature_delta") {
            shows.reasoning = true;
            if (kind == "thinking_delta") only(shows, json::find(delta, "thinking"));
        } else {
            shows.call = kind == "input_json_delta";
            shows.other = !shows.call;
        }
    }
    return shows;
}

/// OpenAI, "Responses: streaming events". The ends of items and parts repeat what their deltas said.
Shows shows_of_response(const sse::Event& event) {
    Shows shows;
    const std::string_view type = type_of(event);
    if (type == "response.created" || type == "response.in_progress" || type == "response.queued") {
        shows.opening = true;
    } else if (type == "response.output_text.delta") {
        shows.words = bare(json::find(event.data, "delta"));
        shows.text = !shows.words.empty();
        only(shows, json::find(event.data, "delta"));
    } else if (type.starts_with("response.reasoning")) {
        shows.reasoning = true;
        if (type.ends_with("_text.delta")) only(shows, json::find(event.data, "delta"));
    } else if (type.starts_with("response.function_call_arguments") ||
               type.starts_with("response.custom_tool_call_input")) {
        shows.call = true;
    } else if (type == "response.output_item.added" || type == "response.output_item.done") {
        const std::string_view kind = bare(json::find(json::find(event.data, "item"), "type"));
        shows.reasoning = kind == "reasoning";
        shows.call = clients_call(kind);
        shows.other = !shows.reasoning && !shows.call && kind != "message";
    } else if (type.starts_with("response.") && type.ends_with(".delta")) {
        shows.other = true;  // refusals, audio, code and what is to come
    }
    if (!shows.inside.empty()) {
        shows.padding = bare(json::find(event.data, "obfuscation"));
        shows.sequence = json::find(event.data, "sequence_number");
    }
    return shows;
}

}  // namespace streamkeeper
