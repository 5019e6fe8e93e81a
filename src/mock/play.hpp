/// A play as one line of text: `429+retry_after=2+x2+503+x1`. The grammar of model names and of x-mock-fault.
#pragma once

#include <string>
#include <string_view>

#include "mock/vocabulary.hpp"

namespace streamkeeper::mock {

struct PlayReading {
    Play play;
    std::string mistake;  ///< for people; empty: none
};

PlayReading read_play(std::string_view text, Speaker);

/// One fault, for a limiter or a key: neither counts nor repeats.
struct FaultReading {
    std::shared_ptr<const Fault> fault;  ///< null on a mistake
    std::string mistake;
};
FaultReading read_fault(std::string_view text, Speaker);

}  // namespace streamkeeper::mock
