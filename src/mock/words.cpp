#include "mock/words.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 64> vocabulary{
    "river",  "lantern", "copper", "quiet",   "seven",  "naïve",  "harbor", "between", "window", "small", "über",
    "carry",  "morning", "stone",  "under",   "signal", "thread", "bridge", "often",   "paper",  "green", "crêpe",
    "engine", "follow",  "mirror", "distant", "lamp",   "garden", "winter", "almost",  "needle", "cloud", "日本",
    "meadow", "turn",    "silver", "gentle",  "arrow",  "market", "deep",   "orange",  "valley", "hinge", "forest",
    "kettle", "bright",  "ladder", "north",   "ocean",  "simple", "wheel",  "amber",   "candle", "field", "straße",
    "pebble", "rope",    "summer", "timber",  "velvet", "anchor", "ember",  "island",  "✓"};

constexpr std::array<std::string_view, 8> silent_keys{"role",         "type",        "id",   "call_id",
                                                      "tool_call_id", "tool_use_id", "name", "media_type"};

std::uint64_t mix(std::uint64_t x) {  // splitmix64's finaliser
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

std::size_t count_words(std::string_view text) {
    std::size_t words = 0;
    bool inside = false;
    for (const char c : text) {
        words += !inside && !is_space(c) ? 1U : 0U;
        inside = !is_space(c);
    }
    return words;
}

}  // namespace

void Reading::add(std::string_view bytes) {
    for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    hash = (hash ^ 0xffU) * 1099511628211ULL;  // a border, so that "ab","c" differs from "a","bc"
}

void Reading::add(const json::value& value) {
    if (const auto* text = value.if_string()) {
        add(std::string_view(*text));
        words += count_words(*text);
    } else if (const auto* array = value.if_array()) {
        for (const auto& item : *array) add(item);
    } else if (const auto* object = value.if_object()) {
        for (const auto& [key, item] : *object) {
            add(std::string_view(key));
            const std::size_t before = words;
            add(item);
            if (std::find(silent_keys.begin(), silent_keys.end(), key) != silent_keys.end()) words = before;
        }
    } else {
        add(std::string_view(json::serialize(value)));
    }
}

std::string_view word(std::uint64_t seed, std::size_t index) {
    return vocabulary[mix(seed + (index + 1) * 0x9e3779b97f4a7c15ULL) % vocabulary.size()];
}

void append_token(std::string& out, std::uint64_t seed, std::size_t index) {
    if (index != 0) out += ' ';
    out += word(seed, index);
}

std::string text(std::uint64_t seed, std::size_t count) {
    std::string out;
    out.reserve(count * 8);
    for (std::size_t i = 0; i < count; ++i) append_token(out, seed, i);
    return out;
}

std::uint64_t other_seed(std::uint64_t seed, std::uint64_t which) { return mix(seed ^ mix(which)); }

double logprob(std::uint64_t seed, std::size_t index) {
    return -0.125 * static_cast<double>(other_seed(seed, 70 + index) % 32);
}

std::string hex(std::uint64_t value) {
    std::string out(16, '0');
    for (auto it = out.rbegin(); it != out.rend(); ++it, value >>= 4) *it = "0123456789abcdef"[value & 15];
    return out;
}

}  // namespace streamkeeper::mock
