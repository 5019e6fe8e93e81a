/// Runs of bytes that need no look, several at a time. The loops below are where a large body's time goes.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace streamkeeper::byte_scan {

/// Inside a JSON string: a quote, a backslash, a control character, or a byte of a non-ASCII character.
inline bool special_in_string(unsigned char c) { return c < 0x20 || c >= 0x80 || c == '"' || c == '\\'; }
/// Outside strings of a valid text: what changes the depth, or begins a string.
inline bool special_in_value(unsigned char c) { return c == '"' || (c | 0x20) == '{' || (c | 0x20) == '}'; }

/// High bit of each byte of `word` that is zero. Exact for the lowest such byte, which is all that is asked.
constexpr std::uint64_t zero_bytes(std::uint64_t word) {
    return (word - 0x0101010101010101u) & ~word & 0x8080808080808080u;
}
constexpr std::uint64_t all(unsigned char c) { return 0x0101010101010101u * c; }

/// `special_in_string`, eight bytes at a time, for machines without SSE2.
inline const char* string_run_portable(const char* p, const char* end) {
    if constexpr (std::endian::native == std::endian::little) {
        for (; end - p >= 8; p += 8) {
            std::uint64_t word;
            std::memcpy(&word, p, 8);
            const std::uint64_t low = (word - all(0x20)) & ~word & all(0x80);
            const std::uint64_t hit =
                zero_bytes(word ^ all('"')) | zero_bytes(word ^ all('\\')) | low | (word & all(0x80));
            if (hit != 0) return p + std::countr_zero(hit) / 8;
        }
    }
    while (p != end && !special_in_string(static_cast<unsigned char>(*p))) ++p;
    return p;
}

#ifdef __SSE2__
/// First byte at or after `p` that is special in a string, or `end`.
inline const char* string_run(const char* p, const char* end) {
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);
    for (; end - p >= 16; p += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        // Compared as signed numbers, controls and bytes >= 0x80 are both less than a space.
        const __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
                                         _mm_cmplt_epi8(bytes, space));
        const auto mask = static_cast<unsigned>(_mm_movemask_epi8(hit));
        if (mask != 0) return p + std::countr_zero(mask);
    }
    while (p != end && !special_in_string(static_cast<unsigned char>(*p))) ++p;
    return p;
}

/// First byte at or after `p` that is special in a value, or `end`.
inline const char* value_run(const char* p, const char* end) {
    const __m128i quote = _mm_set1_epi8('"'), bit = _mm_set1_epi8(0x20);
    const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');
    for (; end - p >= 16; p += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i folded = _mm_or_si128(bytes, bit);  // '[' becomes '{', ']' becomes '}'
        const __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(folded, open), _mm_cmpeq_epi8(folded, close)),
                                         _mm_cmpeq_epi8(bytes, quote));
        const auto mask = static_cast<unsigned>(_mm_movemask_epi8(hit));
        if (mask != 0) return p + std::countr_zero(mask);
    }
    while (p != end && !special_in_value(static_cast<unsigned char>(*p))) ++p;
    return p;
}
#else
inline const char* string_run(const char* p, const char* end) { return string_run_portable(p, end); }
inline const char* value_run(const char* p, const char* end) {
    while (p != end && !special_in_value(static_cast<unsigned char>(*p))) ++p;
    return p;
}
#endif

/// First `c` at or after `p`, or `end`. Most strings of an event are short: a call of memchr costs more than the look.
inline const char* find(const char* p, const char* end, char c) {
#ifdef __SSE2__
    if (end - p >= 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const auto mask = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(c))));
        if (mask != 0) return p + std::countr_zero(mask);
        p += 16;
    }
#endif
    const void* found = p == end ? nullptr : std::memchr(p, c, static_cast<std::size_t>(end - p));
    return found == nullptr ? end : static_cast<const char*>(found);
}

/// First occurrence of `needle` (two bytes or more), or `end`. glibc's memmem prepares a table at each call, which
/// costs more than the search itself in an event of 200 bytes; here two bytes are compared at sixteen places at once.
inline const char* find(const char* p, const char* end, std::string_view needle) {
    const auto length = static_cast<std::ptrdiff_t>(needle.size());
#ifdef __SSE2__
    const __m128i first = _mm_set1_epi8(needle[0]), second = _mm_set1_epi8(needle[1]);
    for (; end - p >= 17 && end - p >= length; p += 16) {
        const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i next = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 1));
        const __m128i hit = _mm_and_si128(_mm_cmpeq_epi8(here, first), _mm_cmpeq_epi8(next, second));
        for (auto mask = static_cast<unsigned>(_mm_movemask_epi8(hit)); mask != 0; mask &= mask - 1) {
            const char* at = p + std::countr_zero(mask);
            if (end - at >= length && std::memcmp(at, needle.data(), needle.size()) == 0) return at;
        }
    }
#endif
    for (; end - p >= length; ++p)
        if (*p == needle[0] && std::memcmp(p, needle.data(), needle.size()) == 0) return p;
    return end;
}

}  // namespace streamkeeper::byte_scan
