/// Values as the file spells them, both ways.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "streamkeeper/config.hpp"

namespace streamkeeper::configuration {

std::string format_duration(Duration);
std::string format_size(Bytes);
/// As an element of `rate_limits`.
std::string format_rate_limit(const RateLimit&);

/// A number that the schema has accepted; 0 for anything else.
std::uint64_t read_number(std::string_view text);

/// A timeout's name and its two homes. `override_of` is null for those that only the listener side has.
struct TimeoutField {
    std::string_view name;
    Duration Timeouts::* global;
    std::optional<Duration> TimeoutOverrides::* override_of;
};
std::span<const TimeoutField> timeout_fields();

template <typename Enum>
using Spellings = std::span<const std::pair<std::string_view, Enum>>;

Spellings<AuthStyle> auth_styles();
Spellings<StreamUsage> stream_usages();
Spellings<KeyOrder> key_orders();
Spellings<LimitScope> limit_scopes();
Spellings<FallbackBy> fallback_walkers();
Spellings<ModelNames> model_name_rules();
Spellings<OnFailure> stream_endings();
Spellings<Assemble> assemblies();
Spellings<LogLevel> log_levels();
Spellings<LogFormat> log_formats();

/// The first spelling if there is none: the schema has refused unknown words before.
template <typename Enum>
Enum meaning_of(Spellings<Enum> all, std::string_view word) {
    for (const auto& [spelling, value] : all) {
        if (spelling == word) return value;
    }
    return all.front().second;
}

template <typename Enum>
std::string_view spelling_of(Spellings<Enum> all, Enum wanted) {
    for (const auto& [spelling, value] : all) {
        if (value == wanted) return spelling;
    }
    return all.front().first;
}

/// Names of upstreams, keys and clients: they become path segments, labels, header values and file names.
bool is_name(std::string_view text);
inline constexpr std::string_view name_rule = "letters, digits, '.', '_' and '-', at most 64, no dot or dash first";

/// `a`, `b` and `c` for people.
std::string enumerate(std::span<const std::string> words);

}  // namespace streamkeeper::configuration
