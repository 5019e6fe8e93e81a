/// UTF-8, one character at a time (The Unicode Standard, table 3-7 "Well-formed UTF-8 byte sequences").
#pragma once

#include <cstddef>
#include <string_view>

namespace streamkeeper::utf8 {

/// Bytes of the well-formed character at `p`, 1 to 4; 0 if there is none (overlong, surrogate, above U+10FFFF, cut).
inline std::size_t sequence(const char* p, const char* end) {
    const auto byte = [p](int i) { return static_cast<unsigned char>(p[i]); };
    const auto tail = [&](int i) { return (byte(i) & 0xC0) == 0x80; };
    const auto left = end - p;
    if (left <= 0) return 0;
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead < 0xC2) return 0;  // a tail byte, or the overlong C0 and C1
    if (lead < 0xE0) return left >= 2 && tail(1) ? 2 : 0;
    if (lead < 0xF0) {
        if (left < 3 || !tail(1) || !tail(2)) return 0;
        if (lead == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
        if (lead == 0xED && byte(1) > 0x9F) return 0;  // a surrogate
        return 3;
    }
    if (lead > 0xF4 || left < 4 || !tail(1) || !tail(2) || !tail(3)) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;  // overlong
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;  // above U+10FFFF
    return 4;
}

/// The longest beginning of `text` of at most `limit` bytes that does not cut a character.
inline std::string_view cut(std::string_view text, std::size_t limit) {
    if (text.size() <= limit) return text;
    std::size_t end = limit;
    while (end > 0 && limit - end < 4 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    if ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) end = limit;  // no UTF-8 anyway
    return text.substr(0, end);
}

}  // namespace streamkeeper::utf8
