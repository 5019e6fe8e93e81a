/// The waits that an error's body names: "Please try again in 6m0s", Google's RetryInfo, OpenRouter's metadata
/// (errors.md, table (b)).
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "policy/moments.hpp"
#include "streamkeeper/head.hpp"

namespace streamkeeper::body_hint {

using moments::Length;

/// In the words of OpenAI, Azure, Groq, Gemini, LiteLLM and the one-api family.
std::optional<Length> in_message(std::string_view message);

/// Google's `RetryInfo.retryDelay` in the JSON of an error's details.
std::optional<Length> retry_delay(std::string_view details);

/// OpenRouter's metadata: a number of seconds, and the fields of the vendor behind it.
struct Metadata {
    explicit Metadata(std::string_view json);
    Metadata(const Metadata&) = delete;

    std::optional<Length> seconds;
    http::Fields fields;  ///< views into `texts`

private:
    std::deque<std::string> texts;
};

}  // namespace streamkeeper::body_hint
