/// Characters at the ends of decoded text, which may hold half surrogate pairs (three bytes each, WTF-8).
#pragma once

#include <string_view>

namespace streamkeeper::characters {

struct Character {
    char32_t code = 0;
    std::size_t bytes = 0;  ///< 0: there is none
};

/// A byte that begins no character counts as one, U+FFFD.
inline Character first(std::string_view text) {
    if (text.empty()) return {};
    const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || text.size() < bytes) return {0xFFFD, 1};
    char32_t code = lead & (0xFFU >> (bytes + 1));
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return {0xFFFD, 1};
        code = code << 6 | (byte(i) & 0x3F);
    }
    return {code, bytes};
}

inline Character last(std::string_view text) {
    if (text.empty()) return {};
    std::size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 4 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
    const Character found = first(text.substr(start));
    return found.bytes == text.size() - start ? found : Character{0xFFFD, 1};
}

inline bool is_upper(char32_t c) {
    if (c < 0x80) return c >= 'A' && c <= 'Z';
    if (c < 0x100) return c >= 0xC0 && c <= 0xDE && c != 0xD7;
    if (c < 0x180) return c < 0x139 || (c >= 0x14A && c < 0x178) ? c % 2 == 0 : c == 0x178 || c % 2 == 1;
    return (c >= 0x386 && c <= 0x3AB && c != 0x390) || (c >= 0x400 && c <= 0x42F);  // Greek, Cyrillic
}

inline bool is_lower(char32_t c) {
    if (c < 0x80) return c >= 'a' && c <= 'z';
    if (c < 0x100) return c >= 0xDF && c != 0xF7;
    if (c < 0x180) return !is_upper(c);
    return (c >= 0x3AC && c <= 0x3CE) || (c >= 0x430 && c <= 0x45F);
}

/// What some server's trim may take from the end of a text: Unicode's White_Space, U+FEFF (JavaScript) and the control
/// characters up to U+0020 (Java, Python).
inline bool is_trimmed(char32_t c) {
    return c <= 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000 || c == 0xFEFF;
}

inline bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }

}  // namespace streamkeeper::characters
