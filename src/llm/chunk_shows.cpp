// What a chunk of a chat completion, or of a legacy completion, adds to its answer.
#include <algorithm>
#include <array>

#include "llm/event_parts.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {
namespace {

using namespace event_parts;

/// The spellings of reasoning (see the list in chat.cpp).
constexpr std::array<std::string_view, 5> reasonings{"reasoning_content", "reasoning", "reasoning_text", "thinking",
                                                     "reasoning_details"};

/// A string's inside may vary from event to event; only one of them, or nothing is known of the event's form.
void add_inside(Shows& shows, bool& several, std::string_view value) {
    several = several || !shows.inside.empty() || value.front() != '"';
    shows.inside = bare(value);
}

void add_text(Shows& shows, bool& several, std::string_view value) {
    shows.text = value.front() == '"' && !shows.text;
    shows.other = shows.other || !shows.text;  // parts in an array, or two texts
    shows.words = bare(value);
    add_inside(shows, several, value);
}

void read_delta(std::string_view delta, Shows& shows, bool& several) {
    for (json::MemberCursor at{delta, {}, {}}; json::next_member(at);) {
        if (!filled(at.value)) continue;
        if (at.is("content")) {
            add_text(shows, several, at.value);
        } else if (at.is("role")) {
            shows.opening = true;
        } else if (at.is("tool_calls") || at.is("function_call")) {
            shows.call = true;
        } else if (at.is("refusal") || at.is("audio") || at.is("images")) {
            shows.other = true;
        } else if (std::any_of(reasonings.begin(), reasonings.end(), [&](auto name) { return at.is(name); })) {
            shows.reasoning = true;
            add_inside(shows, several, at.value);
        }
    }
}

struct Reading {
    Shows shows;
    bool several = false;
    std::string_view output;  ///< `delta` or `text`
};

void read_choice(std::string_view choice, void* context) {
    auto& reading = *static_cast<Reading*>(context);
    bool first = true, any = false;
    for (json::MemberCursor at{choice, {}, {}}; json::next_member(at);) {
        if (at.is("index")) {
            first = at.value == "0" || at.value == "null";
        } else if (at.is(reading.output)) {
            any = filled(at.value);
            if (at.value.starts_with('{')) read_delta(at.value, reading.shows, reading.several);
            if (any && at.value.starts_with('"') && reading.output == "text")
                add_text(reading.shows, reading.several, at.value);
        }
    }
    reading.shows.other = reading.shows.other || (!first && any);
}

Shows read_chunk(std::string_view data, std::string_view output) {
    Reading reading{{}, false, output};
    Shows& shows = reading.shows;
    for (json::MemberCursor at{data, {}, {}}; json::next_member(at);) {
        if (at.is("choices"))
            json::for_each_element(at.value, read_choice, &reading);
        else if (at.is("obfuscation"))  // OpenAI: random text that hides the lengths of the tokens
            shows.padding = bare(at.value);
        else if (at.is("id"))
            shows.id = at.value;
        else if (at.is("created"))
            shows.created = at.value;
        else if (at.is("model"))
            shows.model = at.value;
    }
    if (reading.several || shows.call || shows.other) shows.inside = {};
    return shows;
}

}  // namespace

Shows shows_of_chat(const sse::Event& event) { return read_chunk(event.data, "delta"); }
Shows shows_of_completion(const sse::Event& event) { return read_chunk(event.data, "text"); }

}  // namespace streamkeeper
