#include <algorithm>
#include <array>
#include <cstdint>

#include "policy/moments.hpp"

namespace streamkeeper::moments {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A decimal number taken apart, so that no bit of it is lost before it is known what it counts.
struct Decimal {
    bool negative = false;
    std::uint64_t whole = 0;
    std::uint64_t billionths = 0;  ///< the first nine digits of the fraction
    bool more = false;             ///< a later digit is not zero
};

constexpr std::uint64_t billion = 1'000'000'000;

/// Takes a number from the front of `text`. "5." and ".5" are none.
std::optional<Decimal> take_number(std::string_view& text) {
    constexpr std::uint64_t largest = 1'000'000'000'000'000'000;
    Decimal decimal;
    std::size_t at = 0;
    if (at < text.size() && text[at] == '-') decimal.negative = true, ++at;
    const std::size_t first = at;
    for (; at < text.size() && is_digit(text[at]); ++at) {
        if (decimal.whole >= largest / 10) return std::nullopt;
        decimal.whole = decimal.whole * 10 + static_cast<std::uint64_t>(text[at] - '0');
    }
    if (at == first) return std::nullopt;
    if (at + 1 < text.size() && text[at] == '.' && is_digit(text[at + 1])) {
        std::uint64_t place = billion / 10;
        for (++at; at < text.size() && is_digit(text[at]); ++at, place /= 10) {
            const auto digit = static_cast<std::uint64_t>(text[at] - '0');
            decimal.billionths += digit * place;
            decimal.more = decimal.more || (place == 0 && digit != 0);
        }
    }
    text.remove_prefix(at);
    return decimal;
}

/// Rounded up: a positive length is never told shorter than it is.
std::optional<Length> times(const Decimal& decimal, Length unit) {
    const auto one = static_cast<std::uint64_t>(unit.count());
    const auto most = static_cast<std::uint64_t>(Length::max().count());
    if (decimal.whole > most / one - 1) return std::nullopt;
    std::uint64_t fraction;
    if (one >= billion) {
        fraction = decimal.billionths * (one / billion);
    } else {
        const std::uint64_t parts = billion / one;
        fraction = (decimal.billionths + parts - 1) / parts;
    }
    if (decimal.more) fraction += std::max<std::uint64_t>(1, one / billion);
    const Length length(static_cast<std::int64_t>(decimal.whole * one + fraction));
    return decimal.negative ? -length : length;
}

struct Unit {
    std::string_view name;
    Length length;
};
using namespace std::chrono_literals;

/// "µ" is two bytes, and Unicode has it twice.
constexpr std::array<Unit, 9> short_units = {{{"ns", 1ns},
                                              {"us", 1us},
                                              {"\xC2\xB5s", 1us},
                                              {"\xCE\xBCs", 1us},
                                              {"ms", 1ms},
                                              {"s", 1s},
                                              {"m", 1min},
                                              {"h", 1h},
                                              {"d", 24h}}};

constexpr std::array<Unit, 21> long_units = {
    {{"millisecond", 1ms}, {"milliseconds", 1ms}, {"msec", 1ms},    {"msecs", 1ms}, {"sec", 1s},      {"secs", 1s},
     {"second", 1s},       {"seconds", 1s},       {"min", 1min},    {"mins", 1min}, {"minute", 1min}, {"minutes", 1min},
     {"hr", 1h},           {"hrs", 1h},           {"hour", 1h},     {"hours", 1h},  {"day", 24h},     {"days", 24h},
     {"week", 168h},       {"weeks", 168h},       {"second(s)", 1s}}};

template <std::size_t N>
const Unit* find_unit(const std::array<Unit, N>& units, std::string_view name) {
    const auto* const found =
        std::find_if(units.begin(), units.end(), [&](const Unit& unit) { return unit.name == name; });
    return found == units.end() ? nullptr : found;
}

/// What a number counts: everything up to the next digit, blank or full stop.
std::string_view word_at(std::string_view text) {
    std::size_t end = 0;
    while (end < text.size() && !is_digit(text[end]) && text[end] != ' ' && text[end] != '.' && text[end] != ',' &&
           text[end] != '\n' && text[end] != ';' && text[end] != '!' && text[end] != '"' && text[end] != '\'')
        ++end;
    return text.substr(0, end);
}

bool add(Length& sum, const std::optional<Length>& part) {
    if (!part || *part < Length::zero() || *part > absurd) return false;
    sum += *part;
    return sum <= absurd;
}

std::string_view without_blanks(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\n"), text.size()));
    return text;
}

const Unit* prose_unit(std::string_view word) {
    // "(s)" and closing brackets belong to no unit.
    if (!word.ends_with("(s)"))
        while (!word.empty() && (word.back() == ')' || word.back() == ']')) word.remove_suffix(1);
    const Unit* const unit = find_unit(short_units, word);
    return unit != nullptr ? unit : find_unit(long_units, word);
}

}  // namespace

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n";
    const std::size_t first = text.find_first_not_of(blank);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::optional<Length> number(std::string_view text, Length unit) {
    const std::optional<Decimal> decimal = take_number(text);
    if (!decimal || !text.empty()) return std::nullopt;
    return times(*decimal, unit);
}

std::optional<Length> go_duration(std::string_view text) {
    if (const std::optional<Length> seconds = number(text, 1s)) return seconds;
    Length sum{0};
    if (text.empty()) return std::nullopt;
    while (!text.empty()) {
        const std::optional<Decimal> decimal = take_number(text);
        if (!decimal) return std::nullopt;
        const std::string_view word = word_at(text);
        const Unit* const unit = find_unit(short_units, word);
        if (unit == nullptr || !add(sum, times(*decimal, unit->length))) return std::nullopt;
        text.remove_prefix(word.size());
    }
    return sum;
}

std::optional<Length> prose_duration(std::string_view text, bool unit_needed) {
    Length sum{0};
    for (bool first = true;; first = false) {
        std::string_view rest = without_blanks(text);
        if (!first && rest.starts_with(',')) rest = without_blanks(rest.substr(1));
        if (!first && rest.starts_with("and ")) rest = without_blanks(rest.substr(4));
        const std::optional<Decimal> decimal = take_number(rest);
        if (!decimal) return first ? std::nullopt : std::optional(sum);
        const bool apart = rest.starts_with(' ');
        rest = apart ? without_blanks(rest) : rest;
        const std::string_view word = word_at(rest);
        const Unit* const unit = prose_unit(word);
        if (unit == nullptr) {
            if (!first) return sum;  // another number that is no time
            if (!word.empty() || unit_needed || !add(sum, times(*decimal, 1s))) return std::nullopt;
            return sum;
        }
        if (!add(sum, times(*decimal, unit->length))) return std::nullopt;
        text = rest.substr(word.size());
    }
}

}  // namespace streamkeeper::moments
