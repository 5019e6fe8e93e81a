/// The text that the client of one stream was shown: the inside of a JSON string, escapes as they came. Kept in blocks,
/// so that a long one is never moved and costs little more than its bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace streamkeeper {

class Transcript {
public:
    void append(std::string_view words) {
        if (blocks_.empty() || blocks_.back().size() + words.size() > block) begin_block(words.size());
        blocks_.back().append(words);
        size_ += words.size();
    }
    void clear() { *this = {}; }
    std::size_t size() const { return size_; }
    /// What it takes of memory.
    std::size_t bytes() const { return blocks_.empty() ? 0 : taken_ + blocks_.back().capacity(); }
    /// All of it, in one piece.
    std::string text() const {
        std::string all;
        all.reserve(size_);
        for (const std::string& one : blocks_) all.append(one);
        return all;
    }

private:
    static constexpr std::size_t block = 64u << 10;
    /// The first one grows with a short answer; those that follow are taken whole.
    void begin_block(std::size_t least) {
        if (!blocks_.empty()) taken_ += blocks_.back().capacity();
        blocks_.emplace_back();
        if (blocks_.size() > 1) blocks_.back().reserve(least > block ? least : block);
    }

    std::vector<std::string> blocks_;
    std::size_t size_ = 0, taken_ = 0;
};

}  // namespace streamkeeper
