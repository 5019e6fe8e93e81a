/// Typed events (Messages, Responses) of a later attempt as the client of this stream may see them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "streamkeeper/sse.hpp"

namespace streamkeeper {

/// Messages: the event with another block's number.
std::string with_index(const sse::Event&, int number);
/// Messages: a delta of text. `words` is the inside of a JSON string.
std::string text_delta(int number, std::string_view words);

/// Responses: how an event is told under the names that were shown first.
struct ItemEdit {
    std::span<const std::pair<std::string, std::string>> renamed{};  ///< ids, without quotes: theirs → the client's
    std::int64_t sequence = -1;
    std::string_view created_at{};  ///< raw; of the response
    bool other_words = false;       ///< `words` stands in place of the delta
    std::string_view words{};
};
std::string retell_item(const sse::Event&, const ItemEdit&);

/// Where `inside` stands in an event that was retold; 0 if it does not stand there once.
std::size_t inside_at(std::string_view retold, std::string_view inside);

}  // namespace streamkeeper
