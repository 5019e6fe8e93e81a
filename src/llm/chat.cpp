// OpenAI's chat completions and legacy completions: chunks with `choices`, the end marked by `data: [DONE]`.

#include <algorithm>
#include <array>
#include <charconv>

#include "llm/event_parts.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {
namespace {

using namespace event_parts;

/// Members of a delta that a client shows or acts on. Reasoning has many names: `reasoning_content` (DeepSeek, vLLM),
/// `reasoning` and `reasoning_details` (OpenRouter, Groq), `reasoning_text` (Copilot), `thinking`.
constexpr std::array<std::string_view, 11> outputs{
    "content", "reasoning_content", "reasoning", "tool_calls", "function_call",     "refusal",
    "audio",   "reasoning_text",    "thinking",  "images",     "reasoning_details",
};

bool shows_something(std::string_view delta) {
    for (json::MemberCursor at{delta, {}, {}}; json::next_member(at);) {
        if (!filled(at.value)) continue;
        if (std::any_of(outputs.begin(), outputs.end(), [&](std::string_view name) { return at.is(name); }))
            return true;
    }
    return false;
}

bool delta_payload(std::string_view data) {
    std::size_t at = 0;
    for (std::string_view delta; !(delta = next_value(data, "\"delta\"", at)).empty();)
        if (delta.front() == '{' && shows_something(delta)) return true;
    return false;
}

bool text_payload(std::string_view data) {
    std::size_t at = 0;
    for (std::string_view text; !(text = next_value(data, "\"text\"", at)).empty();)
        if (text.front() == '"' && filled(text)) return true;
    return false;
}

void read_finish(std::string_view choice, void* context) {
    auto& facts = *static_cast<EventFacts*>(context);
    // Some gateways write "" where the vendor writes null.
    const std::string_view reason = bare(json::find(choice, "finish_reason"));
    if (reason == "error") {
        facts.error = true;
    } else if (!reason.empty()) {
        facts.finish = true;
        if (facts.finish_reason.empty()) facts.finish_reason = reason;
    }
}

void read_usage_place(std::string_view data, EventFacts& facts) {
    const std::string_view choices = json::find(data, "choices");
    if (filled(json::find(data, "usage"))) {
        facts.usage = true;
        facts.usage_only = !filled(choices) && !facts.error;
        return;
    }
    facts.usage = filled(json::find(json::find(data, "x_groq"), "usage")) ||  // Groq
                  any_element(choices, [](std::string_view choice) { return filled(json::find(choice, "usage")); });
}

/// Errors of gateways that have no `error`: FastAPI's `detail`, a message with a code at the top, Google's array. No
/// chunk is without `choices`, so nearly all are told by that name.
bool is_other_error(std::string_view data) {
    std::size_t at = 0;
    if (!next_value(data, "\"choices\"", at).empty()) return false;
    if (data.starts_with('[')) return true;
    const auto has = [data](std::string_view name) { return filled(json::find(data, name)); };
    return has("detail") || (has("message") && (has("code") || has("type") || has("status") || has("status_code")));
}

EventFacts read_chunk(const sse::Event& event, bool (*payload)(std::string_view)) {
    EventFacts facts;
    facts.error = error_in(event);
    if (is_done(event.data)) {
        facts.terminal = true;
        return facts;
    }
    facts.error = facts.error || is_other_error(event.data);
    facts.payload = payload(event.data);
    if (has_value(event.data, "\"finish_reason\""))
        json::for_each_element(json::find(event.data, "choices"), read_finish, &facts);
    if (has_value(event.data, "\"usage\"")) read_usage_place(event.data, facts);
    return facts;
}

EventFacts read_chat(const sse::Event& event) { return read_chunk(event, delta_payload); }
EventFacts read_completion(const sse::Event& event) { return read_chunk(event, text_payload); }

void note_choice(std::string_view choice, void* context) {
    constexpr std::size_t most = 128;  // OpenAI's own limit of `n`
    auto& open = *static_cast<std::vector<char>*>(context);
    const std::string_view text = json::find(choice, "index");
    std::size_t index = 0;
    std::from_chars(text.data(), text.data() + text.size(), index);
    if (index >= most) return;
    if (index >= open.size()) open.resize(index + 1, 1);
    if (!bare(json::find(choice, "finish_reason")).empty()) open[index] = 0;
}

void note_choices(std::string_view data, std::vector<char>& open) {
    json::for_each_element(json::find(data, "choices"), note_choice, &open);
}

std::string error_chunk(std::string_view error_json, std::int64_t) {
    return "data: " + wrapped_error(error_json) + "\n\n";
}

}  // namespace

// The no-ops name neither id nor model, as Azure's first chunk does, so they fit before an upstream's first chunk.
const Dialect chat_dialect{
    "chat",
    read_chat,
    shows_of_chat,
    "data: [DONE]\n\n",
    error_chunk,
    "data: {\"id\":\"\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"\",\"choices\":[{\"index\":0,"
    "\"delta\":{},\"finish_reason\":null}]}\n\n",
    note_choices};

const Dialect completions_dialect{
    "completions",
    read_completion,
    shows_of_completion,
    "data: [DONE]\n\n",
    error_chunk,
    "data: {\"id\":\"\",\"object\":\"text_completion\",\"created\":0,\"model\":\"\",\"choices\":[{\"index\":0,"
    "\"text\":\"\",\"logprobs\":null,\"finish_reason\":null}]}\n\n",
    note_choices};

}  // namespace streamkeeper
