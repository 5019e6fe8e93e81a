/// Lengths of time and moments as vendors write them, read by strict digit grammars: `strtod` would take "nan", "inf",
/// "0x10" and "1e999" (errors.md, pitfall 3). Everything is rounded up to the next nanosecond, never down.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace streamkeeper::moments {

using Length = std::chrono::nanoseconds;
using Moment = std::chrono::sys_time<std::chrono::nanoseconds>;

/// Longer ones are no waits but mistakes: ten years.
inline constexpr Length absurd = std::chrono::hours(24 * 3653);

/// A decimal number of `unit`s: `-?digits[.digits]` and nothing else. Nothing if it does not fit.
std::optional<Length> number(std::string_view text, Length unit);

/// Go's notation: `6m0s`, `2m59.56s`, `120ms`, `1h0m5s`, `7µs`; also days. A number alone is seconds.
std::optional<Length> go_duration(std::string_view text);

/// One `number unit` at the beginning of prose ("6 seconds", "1 minute and 30 secs", "6m0s"), lower case. Nothing if a
/// unit is unknown. Without a unit it is seconds, which `unit_needed` forbids.
std::optional<Length> prose_duration(std::string_view text, bool unit_needed);

/// The three forms of RFC 9110, 5.6.7. `now` tells the century of a year of two digits.
std::optional<Moment> http_date(std::string_view text, Moment now);

/// RFC 3339: `2023-12-29T23:59:27Z`, with fractions and offsets.
std::optional<Moment> rfc3339(std::string_view text);

/// White space at both ends taken off.
std::string_view trimmed(std::string_view text);

}  // namespace streamkeeper::moments
