/// An answer that lies here whole, as the outcome of the attempt that would have received it.
#pragma once

#include <chrono>
#include <optional>

#include "cli/raw_response.hpp"
#include "streamkeeper/outcome.hpp"

namespace streamkeeper {

/// As contract.md, section 1 (`explain`) assumes: a POST to chat/completions that asked for a stream, with an option of
/// ours in it, nothing shown before. Nothing: the answer is no failure.
std::optional<Outcome> failure_of(const RawResponse&, std::chrono::system_clock::time_point now);

}  // namespace streamkeeper
