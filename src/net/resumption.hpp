/// What an exchange knows about going on with an answer that broke off after some of it was shown.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/reactor.hpp"
#include "streamkeeper/continuation.hpp"

namespace streamkeeper::net {

/// How the next call joins what the client has (resumption.md, "Break to strategy").
enum class Strategy {
    restart,  ///< the request again; the reasoning that was shown is not shown anew
    prefix,   ///< the answer so far is sent as an open turn
    replay,   ///< the request again; what it repeats is skipped
    native,   ///< responses: the same answer, from the event behind the last one
};

struct Resumption {
    std::optional<ContinuationFacts> facts;  ///< of the request; read at the first break
    Strategy strategy = Strategy::restart;
    bool due = false;           ///< the call that runs, or comes next, is to go on with the answer
    std::string_view obstacle;  ///< why it can't be gone on with; valid as long as `facts`
    bool refused = false;       ///< how it was asked to go on was not accepted, or a probe came to nothing
    Continuable how;            ///< for `prefix`
    std::string prefix, expected;
    std::int64_t tokens_used = 0;                 ///< of the request's limit
    std::string_view cause;                       ///< of the break
    std::size_t position = 0;                     ///< bytes of text that the client had then
    TimePoint broke_at{};                         ///< the last one
    std::optional<std::chrono::nanoseconds> gap;  ///< of the call that runs, once it has shown something
};

}  // namespace streamkeeper::net
