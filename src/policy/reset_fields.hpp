/// The fields that say when a limit is reset: one name, three units, two word orders (errors.md, "Header families").
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policy/moments.hpp"
#include "streamkeeper/head.hpp"

namespace streamkeeper::reset_fields {

using moments::Length;
using moments::Moment;

/// What `read` makes of the first value that it can read, in all fields called `name`, each of which may be a list
/// (errors.md, pitfall 8). An element is also read together with the next one, because a date has a comma of its own.
template <class Read>
auto first_valid(const http::Fields& fields, std::string_view name, Read read) -> decltype(read(name)) {
    for (const http::Field& field : fields.all) {
        if (!http::equal_ignoring_case(field.name, name)) continue;
        for (std::string_view rest = field.value;;) {
            const std::size_t comma = rest.find(',');
            if (const auto found = read(moments::trimmed(rest.substr(0, comma)))) return found;
            if (comma == rest.npos) break;
            if (const auto found = read(moments::trimmed(rest.substr(0, rest.find(',', comma + 1))))) return found;
            rest.remove_prefix(comma + 1);
        }
    }
    return std::nullopt;
}

/// A field such as `x-ratelimit-reset-tokens`, `anthropic-ratelimit-tokens-reset` or `RateLimit-Reset`.
struct Name {
    std::string_view dimension;  ///< `tokens`, `requests-day`; empty: the limit as a whole
    bool milliseconds = false;   ///< `x-ratelimit-reset-ms`
    std::string remaining;       ///< the field that says how much is left
};
std::optional<Name> reset_name(std::string_view field);

/// How much is left, in whatever unit; nothing if it is not said, or is -1 (Azure: unknown).
std::optional<Length> left_of(const http::Fields&, const Name&);

/// A number, and what it turned out to be.
struct Number {
    Length wait{0};       ///< may be negative
    bool moment = false;  ///< it was a moment since 1970
};
/// Seconds, or seconds or milliseconds since 1970: the magnitude tells (errors.md, pitfall 1). `milliseconds`: a small
/// number counts these.
std::optional<Number> by_magnitude(std::string_view text, bool milliseconds, Moment now);

/// The value of a reset field in any of its forms. 0 and -1 mean unknown here; a moment that has passed is 0.
std::optional<Length> until_reset(std::string_view text, bool milliseconds, Moment now);

/// `RateLimit: "default";r=0;t=30` (draft 08 and later) and `RateLimit: limit=9, remaining=0, reset=30` (draft 07): the
/// longest of the exhausted policies; without `exhausted_only` also of those that do not say what remains.
std::optional<Length> ratelimit_field(const http::Fields&, Moment now, bool exhausted_only);

}  // namespace streamkeeper::reset_fields
