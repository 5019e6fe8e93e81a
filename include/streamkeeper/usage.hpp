/// Token counts as vendors report them, and as `tokens_total` counts them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace streamkeeper {

/// Raw fields of a usage object, in the vendor's own meaning. The last non-null value of a field wins within one
/// response; nothing is ever summed (vendors.md, section 4).
struct Usage {
    std::optional<std::int64_t> prompt;       ///< prompt_tokens / input_tokens
    std::optional<std::int64_t> completion;   ///< completion_tokens / output_tokens
    std::optional<std::int64_t> cache_read;   ///< cached_tokens, cache_read_input_tokens, prompt_cache_hit_tokens
    std::optional<std::int64_t> cache_miss;   ///< prompt_cache_miss_tokens (DeepSeek), used if there is no prompt
    std::optional<std::int64_t> cache_write;  ///< cache_creation_input_tokens, cache_write_tokens
    std::optional<std::int64_t> reasoning;    ///< reasoning_tokens
    std::optional<std::int64_t> total;        ///< total_tokens; tells whether completion includes reasoning (xAI)
    bool additive_cache = false;              ///< Anthropic: the prompt excludes what was cached
    bool additive_reasoning = false;          ///< Gemini's own API: the completion excludes the reasoning
    bool any() const { return prompt || completion || (cache_read && cache_miss); }
};

/// Disjoint counts: their sum is what was billed. None is negative, whatever the vendor reported.
struct TokenCounts {
    std::int64_t input = 0, cache_read = 0, cache_write = 0, output = 0, reasoning = 0;
};
TokenCounts disjoint(const Usage&);

/// Looks at `usage`, `choices[*].usage`, `x_groq.usage`, `message.usage`, `response.usage` and `usageMetadata` of a
/// valid JSON object (a body or an event's data) and keeps what it finds.
void read_usage(std::string_view json, Usage&);
/// The same for a usage object that is already found: the common case, without a walk through the answer.
void read_usage_object(std::string_view object, Usage&);

}  // namespace streamkeeper
