/// Errors in the words and shapes of the vendors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mock/answer.hpp"

namespace streamkeeper::mock {

/// What an error says, before a shape dresses it. Empty words become the usual ones of the status.
struct ErrorText {
    unsigned status = 500;
    std::string_view type, code, param;
    std::string message;
    std::string retry_delay;          ///< Google's, with its unit; empty: none
    std::string retry_after_seconds;  ///< OpenRouter's, a JSON number; empty: none
    std::uint64_t sequence = 0;       ///< of the request, for its id
};

struct ErrorBody {
    std::string_view content_type;
    std::string body;
};
ErrorBody render(ErrorShape, const ErrorText&);

/// What the request's path speaks, unless the script chose a shape for all errors.
ErrorShape usual_shape(const Request&);

/// The error as an event of a stream of that path (vendors.md 2); `number` is the event's place.
std::string error_event(const Request&, ErrorShape, const ErrorText&, std::size_t number);

/// How vendors of that shape say that there is no such model.
std::string missing_model(ErrorShape, std::string_view model);

}  // namespace streamkeeper::mock
