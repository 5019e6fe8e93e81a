#include "streamkeeper/wait_hint.hpp"

#include <algorithm>

#include "policy/body_hint.hpp"
#include "policy/moments.hpp"
#include "policy/reset_fields.hpp"

namespace streamkeeper {
namespace {

using moments::Length;
using moments::Moment;
using reset_fields::first_valid;
using namespace std::chrono_literals;

/// Ten years are no wait but a mistake; what has passed is over now.
std::optional<Length> believable(std::optional<Length> wait) {
    if (!wait || *wait > moments::absurd) return std::nullopt;
    return std::max(*wait, Length::zero());
}

std::optional<Length> retry_after(std::string_view text, Moment now) {
    if (const auto number = reset_fields::by_magnitude(text, false, now)) return believable(number->wait);
    std::optional<Moment> date = moments::http_date(text, now);
    if (!date) date = moments::rfc3339(text);
    return date ? believable(*date - now) : std::nullopt;
}

std::optional<Length> retry_after_ms(std::string_view text, Moment now) {
    const std::optional<Length> wait = moments::number(text, 1ms);
    if (wait > 1'000'000'000s) return believable(*wait - now.time_since_epoch());
    return believable(wait);
}

/// `retry-after-ms` is the more precise one of the two, and wins.
std::optional<Length> asked_in(const http::Fields& fields, Moment now) {
    const auto milliseconds = [now](std::string_view text) { return retry_after_ms(text, now); };
    for (const std::string_view name : {"retry-after-ms", "x-ms-retry-after-ms"})
        if (const auto wait = first_valid(fields, name, milliseconds)) return wait;
    return first_valid(fields, "retry-after", [now](std::string_view text) { return retry_after(text, now); });
}

/// What the fields say of a limit's reset. `exhausted_only`: the answer itself does not say that a limit was met, so a
/// reset counts only where nothing remains.
std::optional<Length> reset_in(const http::Fields& fields, Moment now, bool exhausted_only) {
    std::optional<Length> dimensions, plain;
    for (const http::Field& field : fields.all) {
        const std::optional<reset_fields::Name> name = reset_fields::reset_name(field.name);
        if (!name) continue;
        const std::optional<Length> left = reset_fields::left_of(fields, *name);
        if (left > Length::zero()) continue;  // the time until the bucket is full, and it is not empty
        const bool whole = name->dimension.empty();
        if (!left && (!whole || exhausted_only)) continue;
        const auto read = [&](std::string_view text) {
            return believable(reset_fields::until_reset(text, name->milliseconds, now));
        };
        std::optional<Length>& longest = whole ? plain : dimensions;
        longest = std::max(longest, first_valid(fields, field.name, read));
    }
    if (dimensions) return dimensions;
    return plain ? plain : believable(reset_fields::ratelimit_field(fields, now, exhausted_only));
}

std::optional<Length> hint_in_body(const VendorError& error, const body_hint::Metadata& metadata, Moment now,
                                   bool exhausted_only) {
    if (const auto wait = believable(metadata.seconds)) return wait;
    if (const auto wait = asked_in(metadata.fields, now)) return wait;
    if (const auto wait = reset_in(metadata.fields, now, exhausted_only)) return wait;
    if (const auto wait = believable(body_hint::retry_delay(error.details))) return wait;
    return believable(body_hint::in_message(error.message));
}

std::optional<Length> hint(int status, const http::Fields& fields, const VendorError& error, Moment local) {
    // For absolute times the vendor's own clock, if it shows it, so that skew does not matter.
    const auto date = [local](std::string_view text) { return moments::http_date(text, local); };
    const Moment now = first_valid(fields, "date", date).value_or(local);
    if (const auto wait = asked_in(fields, now)) return wait;
    const body_hint::Metadata metadata(error.metadata);
    // A 402 that may be retried says so by Retry-After alone (OpenRouter's in-flight budget).
    if (status == 402) return asked_in(metadata.fields, now);
    const bool exhausted_only = status != 429;
    if (const auto wait = hint_in_body(error, metadata, now, exhausted_only)) return wait;
    return reset_in(fields, now, exhausted_only);
}

}  // namespace

std::optional<Wait> wait_hint(int status, const http::Fields& fields, const VendorError& error,
                              std::chrono::system_clock::time_point now) {
    const int meant = status < 400 ? error.eff_status : status;
    const std::optional<Length> wait = hint(meant, fields, error, Moment(now.time_since_epoch()));
    return wait ? std::optional(std::chrono::ceil<Wait>(*wait)) : std::nullopt;
}

std::optional<bool> should_retry(const http::Fields& fields) {
    for (const http::Field& field : fields.all) {
        if (!http::equal_ignoring_case(field.name, "x-should-retry")) continue;
        if (http::equal_ignoring_case(field.value, "true")) return true;
        if (http::equal_ignoring_case(field.value, "false")) return false;
    }
    return std::nullopt;
}

}  // namespace streamkeeper
