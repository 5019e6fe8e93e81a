/// A whole JSON answer, told as the stream that the client asked for (contract, section 4: a plain JSON answer to a
/// `stream: true` request).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "streamkeeper/endpoint.hpp"

namespace streamkeeper {

/// The events of the endpoint's dialect that a client would have received for `document`, which is a valid JSON object
/// without an error: text, reasoning, tool calls, refusals, log probabilities, every choice, finish reasons and ids as
/// they are, usage last (`with_usage`: chat and completions show it only to a client that asked). Nothing is invented:
/// what has no finish gets none and no `[DONE]`. Nothing if the document is no answer of that endpoint.
std::optional<std::string> events_of(Endpoint endpoint, std::string_view document, bool with_usage);

}  // namespace streamkeeper
