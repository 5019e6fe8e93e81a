/// What a cause becomes for the client when nothing more can be tried (contract, section 5).
#pragma once

#include "streamkeeper/judge.hpp"

namespace streamkeeper {

struct FinalStatus {
    int status;
    std::string_view code;  ///< empty: the vendor's
};
FinalStatus final_status(const Outcome&, const Judgement&);

}  // namespace streamkeeper
