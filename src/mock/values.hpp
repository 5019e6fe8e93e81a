/// Numbers and patterns as users write them.
#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace streamkeeper::mock {

/// Digits alone, at most `most`.
inline std::optional<std::size_t> whole_number(std::string_view text, std::size_t most = 1'000'000'000) {
    std::size_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (text.empty() || error != std::errc() || stop != end || value > most) return std::nullopt;
    return value;
}

/// Seconds with or without a fraction, also negative, within some 30 years.
inline std::optional<double> seconds_number(std::string_view text) {
    double value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
    if (text.empty() || error != std::errc() || stop != end || !(value > -1e9 && value < 1e9)) return std::nullopt;
    return value;
}

/// `*` stands for any run of characters; everything else for itself.
inline bool matches(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0, star = pattern.npos, resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
        } else if (star != pattern.npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

/// An empty list asks for nothing.
inline bool any_matches(const std::vector<std::string>& patterns, std::string_view text) {
    if (patterns.empty()) return true;
    for (const auto& each : patterns)
        if (matches(each, text)) return true;
    return false;
}

}  // namespace streamkeeper::mock
