#include "mock/knobs.hpp"

#include <algorithm>
#include <charconv>

namespace streamkeeper::mock {
namespace {

constexpr std::string_view prefix = "x-mock-";
constexpr std::size_t largest_value = 1'000'000'000;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::optional<std::size_t> number(std::string_view text) {
    std::size_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (text.empty() || error != std::errc() || stop != end || value > largest_value) return std::nullopt;
    return value;
}

/// Only statuses that make sense as an answer of a vendor that refuses, and the two that have no body.
bool is_forceable(std::size_t status) { return status == 204 || status == 304 || (status >= 400 && status <= 599); }

/// False when the name is unknown or the value does not fit it.
bool set(Knobs& knobs, std::string_view name, std::size_t value) {
    if (same_name(name, "tokens")) {
        knobs.tokens = value;
    } else if (same_name(name, "bytes")) {
        knobs.bytes = value;
    } else if (same_name(name, "chunk-bytes")) {
        if (value == 0) return false;
        knobs.chunk_bytes = value;
    } else if (same_name(name, "interval-ms")) {
        knobs.interval = std::chrono::milliseconds(value);
    } else if (same_name(name, "delay-ms")) {
        knobs.delay = std::chrono::milliseconds(value);
    } else if (same_name(name, "read-pause-ms")) {
        knobs.read_pause = std::chrono::milliseconds(value);
    } else if (same_name(name, "hold")) {
        knobs.hold = value;
    } else if (same_name(name, "status")) {
        if (!is_forceable(value)) return false;
        knobs.status = static_cast<unsigned>(value);
    } else {
        return false;
    }
    return true;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view field(const Fields& fields, std::string_view name) {
    for (const auto& [key, value] : fields)
        if (same_name(key, name)) return value;
    return {};
}

Knobs read_knobs(const Fields& fields, std::string& mistake) {
    Knobs knobs;
    for (const auto& [name, value] : fields) {
        if (name.size() <= prefix.size() || !same_name(name.substr(0, prefix.size()), prefix)) continue;
        if (same_name(name.substr(prefix.size()), "fault")) {
            knobs.fault = value;
            continue;
        }
        if (same_name(name.substr(prefix.size()), "text")) {
            knobs.text = text_shape(value);
            if (!knobs.text) mistake = std::string(name) + " must be " + std::string(text_shape_words);
            continue;
        }
        const auto parsed = number(value);
        if (!parsed || !set(knobs, name.substr(prefix.size()), *parsed))
            mistake = std::string(name) + " is no knob of the mock, or its value does not fit";
    }
    return knobs;
}

}  // namespace streamkeeper::mock
