/// The deterministic model: text from a hash, and a count of the words it was given.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace streamkeeper::mock {

/// What one walk over a conversation finds. Equal conversations give equal values, however they are spaced.
struct Reading {
    std::uint64_t hash = 14695981039346656037ULL;
    std::size_t words = 0;  ///< in every text; roles, types, names and ids are not text

    void add(std::string_view bytes);
    void add(const boost::json::value&);
};

/// The word at that place of the text of `seed`: no quotes, no backslashes, some of it outside ASCII.
std::string_view word(std::uint64_t seed, std::size_t index);

/// Token `index`: the word, with a space before all but the first.
void append_token(std::string& out, std::uint64_t seed, std::size_t index);

/// Tokens 0 to `count`-1 joined.
std::string text(std::uint64_t seed, std::size_t count);

/// A seed that differs from `seed` in every bit's chance: for a second text of the same request.
std::uint64_t other_seed(std::uint64_t seed, std::uint64_t which);

/// A made-up log probability, the same for the same token: -k/8.
double logprob(std::uint64_t seed, std::size_t index);

/// Sixteen hexadecimal digits, for ids.
std::string hex(std::uint64_t);

}  // namespace streamkeeper::mock
