/// How long an answer asks to wait: every header form and body hint that vendors use (errors.md, table (b)). Pure: the
/// local clock is handed in, and for absolute times the answer's own `Date` is preferred to it.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "streamkeeper/head.hpp"
#include "streamkeeper/record.hpp"
#include "streamkeeper/vendor_error.hpp"

namespace streamkeeper {

/// Never negative, never rounded down: nothing is sent before the vendor's time.
using Wait = std::chrono::microseconds;

/// `status` is the response's; for an error inside a 200 the meant one is taken from `error`. `now` is the local clock.
/// Nothing: the answer names no wait, or none that can be believed (more than ten years, no plain digits).
std::optional<Wait> wait_hint(int status, const http::Fields& fields, const VendorError& error,
                              std::chrono::system_clock::time_point now);

/// `x-should-retry: true|false` (Stainless' APIs: OpenAI, Anthropic); nothing for any other value.
std::optional<bool> should_retry(const http::Fields& fields);

/// What the head says of the vendor's limits, for gauges: `remaining` and the moment of the reset of each dimension.
/// Runs for every answer: fields of other names must cost next to nothing.
void read_limits(const http::Fields& fields, std::chrono::system_clock::time_point now,
                 std::vector<RateLimitSeen>& seen);

}  // namespace streamkeeper
