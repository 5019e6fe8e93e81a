/// A scope that a vendor's answers closed, and the ramp by which it opens again.
#pragma once

#include "streamkeeper/gate.hpp"

namespace streamkeeper {

struct Gate {
    GateCause cause = GateCause::rate_limit;
    std::optional<unsigned> key;  ///< slot; nothing: all keys share it
    std::string model;            ///< empty: all
    bool closed = false;
    TimePoint until{};        ///< before this nobody goes
    unsigned in_a_row = 0;    ///< refusals, or closings of `failing`, without a success between
    unsigned failures = 0;    ///< of `failing`, before it closes
    unsigned round = 0;       ///< counts closings: sends of an earlier round prove nothing about this one
    unsigned allowed = 1;     ///< sends without an answer that may be under way: 1, 2, 4, 8 …
    unsigned unresolved = 0;  ///< those that are
    int status = 0;
    Line line;

    bool admits(TimePoint now) const { return !closed || (now >= until && unresolved < allowed); }
    Closed why() const { return {cause, until, status}; }
};

}  // namespace streamkeeper
