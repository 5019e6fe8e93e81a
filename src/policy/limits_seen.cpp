// What the head of an answer says about the vendor's limits, for gauges. Runs for every healthy answer.
#include <algorithm>

#include "policy/moments.hpp"
#include "policy/reset_fields.hpp"
#include "streamkeeper/wait_hint.hpp"

namespace streamkeeper {
namespace {

using namespace std::chrono_literals;
using moments::Moment;

/// Static texts, so that the record need not own them. Several windows of one dimension (`requests-day`, `req-minute`)
/// share its name.
std::string_view dimension_of(std::string_view name) {
    constexpr std::string_view names[][2] = {
        {"requests", "requests"},
        {"req", "requests"},
        {"input-tokens", "input_tokens"},
        {"output-tokens", "output_tokens"},
        {"tokens-prompt", "input_tokens"},
        {"tokens-generated", "output_tokens"},
        {"tokens", "tokens"},
    };
    if (name.empty()) return "requests";
    for (const auto& [start, dimension] : names) {
        if (!http::equal_ignoring_case(name.substr(0, start.size()), start)) continue;
        if (name.size() == start.size() || name[start.size()] == '-') return dimension;
    }
    return {};
}

/// The words behind `x-ratelimit-remaining` and its kin: the dimension and the field with the moment of the reset.
struct Name {
    std::string_view dimension;
    std::string_view before, after;  ///< of the word `remaining`, in the field's name
};

/// Nearly every field of nearly every head is turned away by the first letter and the length.
bool may_be_a_limit(std::string_view name) {
    if (name.size() < 19 || name.size() > 64) return false;
    const char first = static_cast<char>(name.front() | 0x20);
    return first == 'x' || first == 'r' || first == 'a';
}

std::optional<Name> limit_name(std::string_view field) {
    constexpr std::string_view word = "remaining";
    constexpr std::string_view prefixes[] = {"x-ratelimit-", "ratelimit-", "anthropic-ratelimit-"};
    for (const std::string_view prefix : prefixes) {
        if (!http::equal_ignoring_case(field.substr(0, prefix.size()), prefix)) continue;
        const std::string_view rest = field.substr(prefix.size());
        if (http::equal_ignoring_case(rest.substr(0, word.size()), word)) {
            const std::string_view after = rest.substr(word.size());
            if (!after.empty() && (after.front() != '-' || after.size() == 1)) return std::nullopt;
            return Name{dimension_of(after.substr(std::min<std::size_t>(1, after.size()))),
                        field.substr(0, prefix.size()), after};
        }
        if (rest.size() < word.size() + 2) return std::nullopt;
        const std::size_t end = rest.size() - word.size();
        if (rest[end - 1] != '-' || !http::equal_ignoring_case(rest.substr(end), word)) return std::nullopt;
        return Name{dimension_of(rest.substr(0, end - 1)), field.substr(0, prefix.size() + end), {}};
    }
    return std::nullopt;
}

double seconds(std::chrono::nanoseconds length) { return std::chrono::duration<double>(length).count(); }

double reset_epoch(const http::Fields& fields, const Name& name, Moment now) {
    const std::string field = std::string(name.before) + "reset" + std::string(name.after);
    const auto wait = reset_fields::first_valid(
        fields, field, [now](std::string_view text) { return reset_fields::until_reset(text, false, now); });
    return wait && *wait <= moments::absurd ? seconds(now.time_since_epoch() + *wait) : -1;
}

void note(const http::Fields& fields, const http::Field& field, Moment now, std::vector<RateLimitSeen>& seen) {
    const std::optional<Name> name = limit_name(field.name);
    if (!name || name->dimension.empty()) return;
    // One nanosecond stands for one of whatever is counted: the strict grammar does the rest.
    const std::optional<moments::Length> left = moments::number(field.value, 1ns);
    if (!left || *left < moments::Length::zero()) return;
    RateLimitSeen one{name->dimension, static_cast<double>(left->count()), -1};
    const auto same = std::find_if(seen.begin(), seen.end(),
                                   [&](const RateLimitSeen& other) { return other.dimension == one.dimension; });
    if (same != seen.end() && same->remaining <= one.remaining) return;  // the tighter window is the one that matters
    one.reset_epoch = reset_epoch(fields, *name, now);
    if (same != seen.end())
        *same = one;
    else
        seen.push_back(one);
}

}  // namespace

void read_limits(const http::Fields& fields, std::chrono::system_clock::time_point now,
                 std::vector<RateLimitSeen>& seen) {
    for (const http::Field& field : fields.all)
        if (may_be_a_limit(field.name)) note(fields, field, Moment(now.time_since_epoch()), seen);
}

}  // namespace streamkeeper
