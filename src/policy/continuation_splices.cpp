// The body of a continuation. `messages` or `prompt` stays in it, so that whatever is appended needs a comma.
#include <algorithm>

#include "streamkeeper/continuation.hpp"

namespace streamkeeper {

namespace {

/// What goes into the assistant's message.
std::string_view message_flag(Endpoint endpoint, Prefill prefill) {
    if (endpoint != Endpoint::chat_completions) return {};
    if (prefill == Prefill::prefix) return R"(,"prefix":true)";
    if (prefill == Prefill::partial) return R"(,"partial":true)";
    return {};
}

void add_prefix(std::vector<Splice>& splices, Endpoint endpoint, const ContinuationFacts& facts,
                const ContinuationWish& wish) {
    const std::string_view flag = message_flag(endpoint, wish.prefill);
    if (facts.into_last) {
        splices.push_back({facts.insert_at, facts.insert_at, std::string(wish.prefix)});
        if (!flag.empty() && !facts.flagged)
            splices.push_back({facts.message_end, facts.message_end, std::string(flag)});
        return;
    }
    std::string message = facts.first ? "" : ",";
    message.append(R"({"role":"assistant","content":")").append(wish.prefix).append("\"").append(flag).append("}");
    splices.push_back({facts.insert_at, facts.insert_at, std::move(message)});
}

void set_member(std::vector<Splice>& splices, const std::optional<json::Member>& member, std::string_view name,
                std::string_view value, std::size_t closing_brace) {
    if (member)
        splices.push_back({member->value.begin, member->value.end, std::string(value)});
    else
        splices.push_back({closing_brace, closing_brace, ",\"" + std::string(name) + "\":" + std::string(value)});
}

/// vLLM refuses a request in which both are true. llama.cpp knows other values of the first; what a client with its own
/// prefill said stays.
void add_final_message_flags(std::vector<Splice>& splices, std::string_view body, const BodyFacts& known,
                             const ContinuationFacts& facts) {
    const std::optional<json::Member>& asked = facts.continue_final_message;
    const std::string_view value = asked ? asked->value.in(body) : std::string_view();
    if (!facts.into_last || value.empty() || value == "false" || value == "null")
        set_member(splices, asked, "continue_final_message", "true", known.closing_brace);
    set_member(splices, facts.add_generation_prompt, "add_generation_prompt", "false", known.closing_brace);
}

void reduce(std::vector<Splice>& splices, std::string_view body, const std::optional<json::Member>& limit,
            std::int64_t tokens_used) {
    if (!limit || tokens_used <= 0) return;
    const std::int64_t tokens = static_cast<std::int64_t>(std::stod(std::string(limit->value.in(body))));
    splices.push_back({limit->value.begin, limit->value.end, std::to_string(tokens - tokens_used)});
}

}  // namespace

void add_continuation(std::vector<Splice>& splices, std::string_view body, Endpoint endpoint, const BodyFacts& known,
                      const ContinuationFacts& facts, const ContinuationWish& wish) {
    std::erase_if(splices, [&](const Splice& splice) {
        return std::any_of(known.fallback_fields.begin(), known.fallback_fields.end(), [&](const Cut& cut) {
            return splice.text.empty() && cut.begin == splice.begin && cut.end == splice.end;
        });
    });
    for (const Cut& cut : facts.vendor_chain) splices.push_back({cut.begin, cut.end, {}});
    add_prefix(splices, endpoint, facts, wish);
    if (endpoint == Endpoint::chat_completions && wish.prefill == Prefill::continue_final_message)
        add_final_message_flags(splices, body, known, facts);
    reduce(splices, body, facts.max_tokens, wish.tokens_used);
    reduce(splices, body, facts.max_completion_tokens, wish.tokens_used);
    std::stable_sort(splices.begin(), splices.end(),
                     [](const Splice& a, const Splice& b) { return a.begin < b.begin; });
}

}  // namespace streamkeeper
