#include "policy/reset_fields.hpp"

#include <algorithm>

namespace streamkeeper::reset_fields {
namespace {

using namespace std::chrono_literals;

constexpr Length epoch_from = 1'000'000'000s;  ///< larger numbers are moments, not lengths
constexpr std::string_view unified = "anthropic-ratelimit-unified";

std::optional<Length> amount(std::string_view text) {
    const std::optional<Length> found = moments::number(text, 1ns);
    return found && *found >= Length::zero() ? found : std::nullopt;
}

bool starts_ignoring_case(std::string_view text, std::string_view start) {
    return http::equal_ignoring_case(text.substr(0, start.size()), start);
}
bool ends_ignoring_case(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && http::equal_ignoring_case(text.substr(text.size() - end.size()), end);
}

/// One policy of a `RateLimit` field.
struct Policy {
    std::optional<Length> left, wait;
};

/// Reads `r=0` and its kin into the policy; false: this names a new policy.
bool read_parameter(std::string_view text, Policy& policy, Moment now) {
    const std::size_t equals = text.find('=');
    if (equals == text.npos || text.front() == '"') return false;
    const std::string_view name = moments::trimmed(text.substr(0, equals));
    const std::string_view value = moments::trimmed(text.substr(equals + 1));
    if (http::equal_ignoring_case(name, "r") || http::equal_ignoring_case(name, "remaining"))
        policy.left = amount(value);
    if (http::equal_ignoring_case(name, "t") || http::equal_ignoring_case(name, "reset"))
        policy.wait = until_reset(value, false, now);
    return true;
}

/// Where the parameter that begins at `at` ends: a comma or semicolon outside quotes.
std::size_t end_of_parameter(std::string_view text, std::size_t at) {
    bool quoted = false;
    for (; at < text.size(); ++at) {
        if (quoted && text[at] == '\\')
            ++at;
        else if (text[at] == '"')
            quoted = !quoted;
        else if (!quoted && (text[at] == ',' || text[at] == ';'))
            break;
    }
    return std::min(at, text.size());
}

}  // namespace

std::optional<Name> reset_name(std::string_view field) {
    constexpr std::string_view prefixes[] = {"x-ratelimit-", "x-rate-limit-", "ratelimit-", "anthropic-ratelimit-"};
    const auto* const prefix = std::find_if(std::begin(prefixes), std::end(prefixes),
                                            [&](std::string_view p) { return starts_ignoring_case(field, p); });
    if (prefix == std::end(prefixes)) return std::nullopt;
    const std::string_view rest = field.substr(prefix->size());
    const std::string start(field.substr(0, prefix->size()));
    constexpr std::string_view first = "reset-", last = "-reset";
    if (http::equal_ignoring_case(rest, "reset")) return Name{{}, false, start + "remaining"};
    if (http::equal_ignoring_case(rest, "reset-ms")) return Name{{}, true, start + "remaining"};
    if (http::equal_ignoring_case(field, "anthropic-ratelimit-unified-reset"))
        return Name{{}, false, std::string(unified) + "-remaining"};
    if (starts_ignoring_case(rest, first) && rest.size() > first.size()) {
        const std::string_view dimension = rest.substr(first.size());
        return Name{dimension, false, start + "remaining-" + std::string(dimension)};
    }
    if (!ends_ignoring_case(rest, last) || rest.size() == last.size()) return std::nullopt;
    const std::string_view dimension = rest.substr(0, rest.size() - last.size());
    return Name{dimension, false, start + std::string(dimension) + "-remaining"};
}

std::optional<Length> left_of(const http::Fields& fields, const Name& name) {
    if (const std::optional<Length> left = first_valid(fields, name.remaining, amount)) return left;
    if (!starts_ignoring_case(name.remaining, unified)) return std::nullopt;
    // Anthropic's subscriptions say no numbers but `allowed`, `allowed_warning` or `rejected`.
    const std::string_view status = fields.get(std::string(unified) + "-status");
    if (http::equal_ignoring_case(status, "rejected")) return Length::zero();
    return starts_ignoring_case(status, "allowed") ? std::optional<Length>(1ns) : std::nullopt;
}

std::optional<Number> by_magnitude(std::string_view text, bool milliseconds, Moment now) {
    const std::optional<Length> in_ms = moments::number(text, 1ms), in_s = moments::number(text, 1s);
    if (in_ms > epoch_from) return Number{*in_ms - now.time_since_epoch(), true};
    if (in_s > epoch_from) return Number{*in_s - now.time_since_epoch(), true};
    const std::optional<Length>& length = milliseconds ? in_ms : in_s;
    return length ? std::optional(Number{*length, false}) : std::nullopt;
}

std::optional<Length> until_reset(std::string_view text, bool milliseconds, Moment now) {
    if (const std::optional<Number> number = by_magnitude(text, milliseconds, now)) {
        if (!number->moment && number->wait <= Length::zero()) return std::nullopt;
        return std::max(number->wait, Length::zero());
    }
    if (const std::optional<Length> length = moments::go_duration(text))
        return *length > Length::zero() ? length : std::nullopt;
    std::optional<Moment> moment = moments::rfc3339(text);
    if (!moment) moment = moments::http_date(text, now);
    return moment ? std::optional(std::max<Length>(*moment - now, Length::zero())) : std::nullopt;
}

std::optional<Length> ratelimit_field(const http::Fields& fields, Moment now, bool exhausted_only) {
    std::optional<Length> longest;
    Policy policy;
    const auto settle = [&] {
        const bool counts = policy.left ? *policy.left == Length::zero() : !exhausted_only;
        if (counts) longest = std::max(longest, policy.wait);
        policy = {};
    };
    for (const http::Field& field : fields.all) {
        if (!http::equal_ignoring_case(field.name, "ratelimit")) continue;
        for (std::size_t at = 0; at < field.value.size();) {
            const std::size_t end = end_of_parameter(field.value, at);
            const std::string_view text = moments::trimmed(field.value.substr(at, end - at));
            if (!text.empty() && !read_parameter(text, policy, now)) settle();
            at = end + 1;
        }
        settle();
    }
    return longest;
}

}  // namespace streamkeeper::reset_fields
