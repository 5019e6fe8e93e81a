/// The inside of a JSON string: text as it was spelt, escapes and all. A transcript keeps it so, because it can be put
/// into a request as it is; where two spellings have to be compared it is read as UTF-16, in which half a surrogate
/// pair is a unit like any other.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace streamkeeper::inside {

/// What the text ends with.
enum class Tail {
    solid,  ///< anything else
    blank,  ///< white space: many servers trim it from what they are given (resumption_facts.md, section 2)
    half,   ///< the first half of a surrogate pair
};
Tail tail_of(std::string_view text);

std::u16string units_of(std::string_view text);
/// Where the unit number `count` begins; the size of `text` if it has no more.
std::size_t offset_of(std::string_view text, std::size_t count);
/// The text without the white space at its end.
std::string_view without_blank_tail(std::string_view text);

}  // namespace streamkeeper::inside
