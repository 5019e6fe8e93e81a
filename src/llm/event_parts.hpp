/// What the three readers of events share: cheap byte tests, and the error shapes that occur in every dialect.
///
/// Byte tests are right because a quote inside a JSON string is always escaped: `"usage"` with both quotes, followed
/// by a colon, can only be a member's name. At which depth it stands is not known; where that matters, the value is
/// looked up properly.
#pragma once

#include <string>
#include <string_view>

#include "streamkeeper/dialect.hpp"

namespace streamkeeper::event_parts {

/// The text from the value of the next member called `quoted` on (`"\"usage\""`), at any depth; moves `at` behind it.
/// Empty if there is none.
std::string_view next_value(std::string_view data, std::string_view quoted, std::size_t& at);
/// Some member called `quoted` has a value other than null.
bool has_value(std::string_view data, std::string_view quoted);
/// Neither missing nor null, false, 0, "", [] or {}.
bool filled(std::string_view value);
/// A string's text without quotes, escapes as they are; empty for other values.
std::string_view bare(std::string_view value);
/// An error object, string, event or field, in any shape that vendors put into streams.
bool error_in(const sse::Event&);
/// `data: [DONE]`.
bool is_done(std::string_view data);
/// True if `test` is for one element of `array` (a chunk's choices).
bool any_element(std::string_view array, bool (*test)(std::string_view element));

/// `error_json` as one line: white space between tokens must not end the `data` line.
std::string one_line(std::string_view error_json);
/// The error object itself, whether `error_json` is it or has it as its member `error`.
std::string_view inner_error(std::string_view error_json);
/// `error_json` as an object with a member `error`.
std::string wrapped_error(std::string_view error_json);

}  // namespace streamkeeper::event_parts

namespace streamkeeper {
Shows shows_of_chat(const sse::Event&), shows_of_completion(const sse::Event&), shows_of_message(const sse::Event&),
    shows_of_response(const sse::Event&);
extern const Dialect chat_dialect, completions_dialect, responses_dialect, messages_dialect;
}  // namespace streamkeeper
