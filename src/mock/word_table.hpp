/// The list of a fault's words, in tables by what they are about.
#pragma once

#include <span>
#include <string_view>

#include "mock/fault.hpp"

namespace streamkeeper::mock {

enum class Value { none, optional, required };

struct Word {
    std::string_view name;
    Value value;
    std::string_view expects;  ///< what the value must be
    bool (*set)(Fault&, std::string_view value);
};

std::span<const Word> fault_words();      ///< of errors, ends and pace
std::span<const Word> stream_words();     ///< of how a stream breaks and how it is written
std::span<const Word> character_words();  ///< of the model: not of one act

}  // namespace streamkeeper::mock
