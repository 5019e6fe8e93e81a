/// What the fuzz targets share. A target is one function; libFuzzer (preset `fuzz`) or replay.cpp (every other build)
/// calls it. What must not be ends the program with a sentence.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

namespace streamkeeper::fuzz {

/// `shown` is what there was instead.
inline void require(bool holds, const char* what, std::string_view shown = {}) {
    if (holds) return;
    std::fprintf(stderr, "violated: %s\n%.*s\n", what, static_cast<int>(shown.size()), shown.data());
    std::abort();
}

/// Choices that an input makes with its first bytes; the rest is the text.
class Input {
public:
    Input(const std::uint8_t* bytes, std::size_t size) : rest_(reinterpret_cast<const char*>(bytes), size) {}
    unsigned choice() {
        if (rest_.empty()) return 0;
        const auto byte = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        return byte;
    }
    /// Up to the next `separator`, which is taken out.
    std::string_view until(char separator) {
        const std::size_t end = std::min(rest_.find(separator), rest_.size());
        const std::string_view text = rest_.substr(0, end);
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
        return text;
    }
    std::string_view rest() const { return rest_; }

private:
    std::string_view rest_;
};

}  // namespace streamkeeper::fuzz
