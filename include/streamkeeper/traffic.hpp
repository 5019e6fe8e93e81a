/// What is remembered of an upstream between requests, and outlives a configuration: its gates, its keys, the names it
/// refused, how it goes on with an answer that broke.
#pragma once

#include <map>
#include <string>

#include "streamkeeper/continuation.hpp"
#include "streamkeeper/gate.hpp"
#include "streamkeeper/key_states.hpp"

namespace streamkeeper {

struct Traffic {
    Gates gates;
    KeyStates keys;
    Capabilities capabilities;
    unsigned turn = 0;  ///< of `key_order: round_robin`
    /// Names that the upstream refused, and those that were right; forgotten with each new model list.
    std::map<std::string, std::string, std::less<>> corrected;
};

}  // namespace streamkeeper
