#include "streamkeeper/usage.hpp"

#include <algorithm>
#include <charconv>

#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {
namespace {

/// More tokens than any answer has; what exceeds it is nonsense and would spoil a counter for ever.
constexpr std::int64_t most = 1'000'000'000'000;

/// A count that is neither null, negative nor nonsense; fractions, which some gateways write (`12.0`), are dropped.
void keep(std::optional<std::int64_t>& field, std::string_view value) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
    if (error != std::errc() || count < 0 || count > most) return;
    if (end != value.data() + value.size() && *end != '.') return;  // 1e3 is no count
    field = count;
}

struct Field {
    std::string_view name;
    std::optional<std::int64_t> Usage::* field;
};

/// Names in a usage object; the vendor that brought a name is named where it is not OpenAI.
constexpr Field fields[] = {
    {"prompt_tokens", &Usage::prompt},
    {"input_tokens", &Usage::prompt},
    {"completion_tokens", &Usage::completion},
    {"output_tokens", &Usage::completion},
    {"total_tokens", &Usage::total},
    {"cache_read_input_tokens", &Usage::cache_read},       // Anthropic
    {"cache_creation_input_tokens", &Usage::cache_write},  // Anthropic
    {"cached_tokens", &Usage::cache_read},                 // Moonshot
    {"num_cached_tokens", &Usage::cache_read},             // Mistral
    {"prompt_cache_hit_tokens", &Usage::cache_read},       // DeepSeek
    {"prompt_cache_miss_tokens", &Usage::cache_miss},      // DeepSeek
    {"cache_write_tokens", &Usage::cache_write},           // OpenRouter
    {"reasoning_tokens", &Usage::reasoning},
};

/// Names in the objects of details, which stand inside a usage object.
constexpr Field details[] = {
    {"cached_tokens", &Usage::cache_read},
    {"cache_write_tokens", &Usage::cache_write},
    {"reasoning_tokens", &Usage::reasoning},
};

template <std::size_t size>
void keep_fields(const json::MemberCursor& at, const Field (&known)[size], Usage& usage) {
    for (const Field& field : known)
        if (at.is(field.name)) return keep(usage.*field.field, at.value);
}

bool is_object(std::string_view value) { return !value.empty() && value.front() == '{'; }

bool holds_details(const json::MemberCursor& at) {
    return is_object(at.value) &&
           (at.is("prompt_tokens_details") || at.is("input_tokens_details") || at.is("completion_tokens_details") ||
            at.is("output_tokens_details") || at.is("prompt_token_details"));  // Mistral
}

void read_counts(std::string_view object, Usage& usage) {
    bool input_name = false, cache_name = false;
    for (json::MemberCursor at{object, {}, {}}; json::next_member(at);) {
        input_name = input_name || at.is("input_tokens");
        cache_name = cache_name || at.is("cache_read_input_tokens") || at.is("cache_creation_input_tokens");
        if (holds_details(at)) {
            for (json::MemberCursor inner{at.value, {}, {}}; json::next_member(inner);)
                keep_fields(inner, details, usage);
        } else {
            keep_fields(at, fields, usage);
        }
    }
    // LiteLLM puts Anthropic's cache names beside `prompt_tokens`, which there includes them.
    if (input_name && cache_name) usage.additive_cache = true;
}

void read_gemini(std::string_view object, Usage& usage) {
    keep(usage.prompt, json::find(object, "promptTokenCount"));
    keep(usage.completion, json::find(object, "candidatesTokenCount"));
    keep(usage.reasoning, json::find(object, "thoughtsTokenCount"));
    keep(usage.cache_read, json::find(object, "cachedContentTokenCount"));
    keep(usage.total, json::find(object, "totalTokenCount"));
    usage.additive_reasoning = true;
}

void read_choice(std::string_view choice, void* context) {
    const std::string_view counts = json::find(choice, "usage");
    if (is_object(counts)) read_counts(counts, *static_cast<Usage*>(context));
}

/// xAI's completion excludes the reasoning; its total shows it. A reasoning larger than the completion shows it too.
bool reasoning_is_extra(const Usage& usage, std::int64_t prompt, std::int64_t completion, std::int64_t reasoning) {
    if (reasoning == 0) return false;
    return usage.additive_reasoning || reasoning > completion ||
           (usage.total && *usage.total == prompt + completion + reasoning);
}

}  // namespace

void read_usage_object(std::string_view object, Usage& usage) {
    if (is_object(object)) read_counts(object, usage);
}

void read_usage(std::string_view json, Usage& usage) {
    std::string_view counts;
    for (json::MemberCursor at{json, {}, {}}; json::next_member(at);) {
        if (at.is("usage")) {
            counts = at.value;
        } else if (at.is("x_groq") || at.is("message") || at.is("response")) {
            const std::string_view inner = json::find(at.value, "usage");
            if (is_object(inner)) read_counts(inner, usage);
        } else if (at.is("choices")) {
            json::for_each_element(at.value, read_choice, &usage);
        } else if (at.is("usageMetadata") && is_object(at.value)) {
            read_gemini(at.value, usage);
        }
    }
    // Last, so that it wins over a copy of it in another place.
    if (is_object(counts)) read_counts(counts, usage);
}

TokenCounts disjoint(const Usage& usage) {
    TokenCounts counts;
    const std::int64_t cached = usage.cache_read.value_or(0), written = usage.cache_write.value_or(0);
    const std::int64_t prompt = usage.prompt.value_or(usage.cache_miss ? cached + *usage.cache_miss : 0);
    if (usage.additive_cache) {
        counts.input = prompt;
        counts.cache_read = cached;
        counts.cache_write = written;
    } else {
        counts.cache_read = std::min(cached, prompt);  // xAI's may exceed the prompt
        counts.cache_write = std::min(written, prompt - counts.cache_read);
        counts.input = prompt - counts.cache_read - counts.cache_write;
    }
    const std::int64_t completion = usage.completion.value_or(0), reasoning = usage.reasoning.value_or(0);
    counts.reasoning = reasoning;
    counts.output = completion - (reasoning_is_extra(usage, prompt, completion, reasoning) ? 0 : reasoning);
    return counts;
}

}  // namespace streamkeeper
