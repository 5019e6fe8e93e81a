/// What a request may ask of the mock by its headers; README.md beside this file is the user's page.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mock/character.hpp"

namespace streamkeeper::mock {

/// Header fields as they came, names in the sender's spelling. The views live as long as the request's parser.
using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

/// The first field of that name (any case), or empty.
std::string_view field(const Fields&, std::string_view name);

/// Case-insensitive comparison of ASCII text.
bool same_name(std::string_view, std::string_view);

struct Knobs {
    std::optional<std::size_t> tokens;        ///< text tokens of the answer
    std::optional<std::size_t> bytes;         ///< size of the answer, about
    std::optional<std::size_t> chunk_bytes;   ///< bytes a chunk, whatever the event borders are
    std::chrono::milliseconds interval{0};    ///< between two tokens (or chunks, with chunk_bytes)
    std::chrono::milliseconds delay{0};       ///< before the head
    std::chrono::milliseconds read_pause{0};  ///< between two reads of the request's body
    std::size_t hold = 0;                     ///< events sent before an endless silence; 0: no silence
    unsigned status = 0;                      ///< answer this error status; 0: none
    std::optional<TextShape> text;            ///< what the text looks like
    std::string_view fault;                   ///< the words of x-mock-fault (play.cpp); empty: none
};

/// Reads the x-mock-* fields. On a value that is no number or out of range, `mistake` says which one.
Knobs read_knobs(const Fields&, std::string& mistake);

}  // namespace streamkeeper::mock
