#include "policy/exclusion.hpp"

#include <charconv>

namespace streamkeeper::exclusion {

namespace {

using json::Kind;

bool given(const Value&) { return true; }
bool is_true(const Value& value) { return value.text == "true"; }
bool more_than(const Value& value, double most) {
    double number = 0;
    std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
    return value.kind != Kind::number || number > most;
}
bool several(const Value& value) { return more_than(value, 1); }
bool positive(const Value& value) { return more_than(value, 0); }
bool forced_choice(const Value& value) {
    const std::string choice = value.string();
    return choice != "auto" && choice != "none";
}
std::string type_of(const Value& value) {
    return value.kind == Kind::object ? json::unquote(json::find(value.text, "type")) : std::string();
}
bool not_plain_text(const Value& value) { return type_of(value) != "text"; }
/// Anthropic's `tool_choice` is an object.
bool forced_type(const Value& value) { return type_of(value) != "auto" && type_of(value) != "none"; }
/// The final assistant turn would have to begin with a thinking block, which we don't have.
bool thinks(const Value& value) { return type_of(value) != "disabled"; }
bool has_format(const Value& value) {
    if (value.kind != Kind::object) return true;
    const std::string_view format = json::find(value.text, "format");
    return !format.empty() && format != "null";
}
bool not_only_text(const Value& value) {
    bool other = value.kind != Kind::array;
    const auto look = [](std::string_view element, void* found) {
        if (element != "\"text\"") *static_cast<bool*>(found) = true;
    };
    if (!other) json::for_each_element(value.text, look, &other);
    return other;
}

constexpr Rule openai_rules[] = {
    {"stop", not_empty_list},  // the upstream would not see a stop string that begins before the seam
    {"response_format", not_plain_text},
    // Guided decoding of vLLM, SGLang and llama.cpp: a grammar starts at its root again.
    {"guided_json", given},
    {"guided_regex", given},
    {"guided_choice", given},
    {"guided_grammar", given},
    {"guided_json_object", is_true},
    {"structured_outputs", given},
    {"structural_tag", given},
    {"grammar", given},
    {"json_schema", given},
    {"regex", given},
    {"ebnf", given},
    {"tool_choice", forced_choice},
    {"function_call", forced_choice},
    {"n", several},
    {"best_of", several},
    {"audio", given},
    {"modalities", not_only_text},
    {"prediction", given},
    {"suffix", given},
    {"echo", is_true},
    {"min_tokens", positive},  // vLLM: counts what is generated now, and may exceed a reduced limit
};

constexpr Rule messages_rules[] = {
    {"stop_sequences", not_empty_list}, {"tool_choice", forced_type},  {"thinking", thinks},
    {"output_format", given},           {"output_config", has_format},
};

}  // namespace

std::span<const Rule> rules(Endpoint endpoint) {
    if (endpoint == Endpoint::messages) return messages_rules;
    return openai_rules;
}

}  // namespace streamkeeper::exclusion
