#include "policy/inside.hpp"

#include <algorithm>

#include "http/json_escape.hpp"
#include "policy/characters.hpp"

namespace streamkeeper::inside {
namespace {

/// One character as it is spelt: how many bytes, and its one or two units.
struct Character {
    std::size_t bytes = 1;
    char16_t first = 0, second = 0;  ///< `second` is 0 where there is none
};

Character escape(std::string_view text) {
    if (text.size() >= 6 && text[1] == 'u') return {6, static_cast<char16_t>(json::hex4(text.data() + 2)), 0};
    const char letter = json::unescaped(text.size() > 1 ? text[1] : '\\');
    return {std::min<std::size_t>(2, text.size()), static_cast<char16_t>(letter), 0};
}

Character next(std::string_view text) {
    const auto byte = [text](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) & 0x3fU : 0U;
    };
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead == '\\') return escape(text);
    if (lead < 0x80) return {1, lead, 0};
    if (lead < 0xe0) return {2, static_cast<char16_t>((lead & 0x1fU) << 6 | byte(1)), 0};
    if (lead < 0xf0) return {3, static_cast<char16_t>((lead & 0x0fU) << 12 | byte(1) << 6 | byte(2)), 0};
    const unsigned code = ((lead & 0x07U) << 18 | byte(1) << 12 | byte(2) << 6 | byte(3)) - 0x10000U;
    return {4, static_cast<char16_t>(0xd800U + (code >> 10)), static_cast<char16_t>(0xdc00U + (code & 0x3ffU))};
}

/// Where the last character of a text begins that is not empty. An escape is found by going back to its backslash,
/// which is one if an odd number of them stands together.
std::size_t last_character(std::string_view text) {
    const auto is_escape = [text](std::size_t at) {
        std::size_t run = 0;
        while (run <= at && text[at - run] == '\\') ++run;
        return run % 2 == 1;
    };
    const std::size_t size = text.size();
    if (size >= 2 && text[size - 2] == '\\' && is_escape(size - 2)) return size - 2;
    if (size >= 6 && text[size - 6] == '\\' && text[size - 5] == 'u' && is_escape(size - 6)) return size - 6;
    std::size_t at = size - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U) --at;
    return at;
}

}  // namespace

Tail tail_of(std::string_view text) {
    if (text.empty()) return Tail::solid;
    const Character last = next(text.substr(last_character(text)));
    if (last.second != 0) return Tail::solid;
    if (last.first >= 0xd800 && last.first <= 0xdbff) return Tail::half;
    return characters::is_trimmed(last.first) ? Tail::blank : Tail::solid;
}

std::u16string units_of(std::string_view text) {
    std::u16string units;
    units.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const Character one = next(text.substr(at));
        units += one.first;
        if (one.second != 0) units += one.second;
        at += one.bytes;
    }
    return units;
}

std::size_t offset_of(std::string_view text, std::size_t count) {
    std::size_t at = 0;
    for (std::size_t units = 0; units < count && at < text.size();) {
        const Character one = next(text.substr(at));
        units += one.second != 0 ? 2 : 1;
        at += one.bytes;
    }
    return std::min(at, text.size());
}

std::string_view without_blank_tail(std::string_view text) {
    while (!text.empty() && tail_of(text) == Tail::blank) text = text.substr(0, last_character(text));
    return text;
}

}  // namespace streamkeeper::inside
