/// The text of an answer as the tokens it is streamed in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mock/character.hpp"

namespace streamkeeper::mock {

/// The tokens of a text of that shape, the same for the same seed.
std::vector<std::string> tokens_of(TextShape, std::uint64_t seed, std::size_t count);

/// A given text as tokens: words, each with the white space before it.
std::vector<std::string> word_tokens(std::string_view text);

std::string joined(const std::vector<std::string>& tokens);

/// Drops the first `bytes` of the text; a token that they end in keeps its rest.
std::vector<std::string> without_first(const std::vector<std::string>& tokens, std::size_t bytes);

/// Keeps the first `bytes` of the text.
void keep_first(std::vector<std::string>& tokens, std::size_t bytes);

/// Either the words of a seed, which cost no memory however many they are, or tokens that were made.
class Speech {
public:
    Speech() = default;
    Speech(std::uint64_t seed, std::size_t count) : seed_(seed), count_(count) {}
    /// `split_pairs`: a character beyond the basic plane becomes two tokens, each half of its escaped pair.
    Speech(const std::vector<std::string>& tokens, bool split_pairs);

    std::size_t size() const { return count_; }
    void cut(std::size_t most);                              ///< keeps the first tokens
    void append(std::string& out, std::size_t index) const;  ///< a token as it stands inside a JSON string
    std::string token(std::size_t index) const;              ///< its text; empty for the first half of a torn pair
    std::string text() const;

private:
    struct Piece {
        std::string literal, text;
    };
    std::uint64_t seed_ = 0;
    std::size_t count_ = 0;
    bool made_ = false;
    std::vector<Piece> pieces_;
};

}  // namespace streamkeeper::mock
