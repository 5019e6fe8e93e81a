/// What a body asks of the model, and how the answer was begun for it already.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "mock/character.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {

class Document;

/// Where the beginning of an answer stands.
enum class PrefixPlace {
    none,          ///< nowhere: the endpoint knows no such thing
    last_message,  ///< a trailing assistant message
    behind_marker  ///< in the prompt, behind the last `\n\n###\n`
};

/// What decides an answer. Pointers may be null.
struct Ask {
    const boost::json::value* preface = nullptr;       ///< system prompt or instructions
    const boost::json::value* conversation = nullptr;  ///< messages, input or prompt
    std::string_view limit_key;                        ///< the body's key for the most output tokens
    std::string_view limit_key_too;                    ///< its older spelling, or empty
    std::string_view stop_key;                         ///< of stop strings, or empty
    PrefixPlace prefix = PrefixPlace::none;
    bool plain = false;  ///< neither reasoning nor tools
};

/// What the endpoint at that path reads; null pointers where the body has nothing.
Ask ask_of(std::string_view path, const Document&);

struct Opening {
    std::optional<std::string> prefix;  ///< the text the answer begins with; none: nothing was begun
    std::optional<std::string> repeat;  ///< what the last user message wants repeated
    const boost::json::array* messages = nullptr;
    std::size_t count = 0;  ///< of the messages that ask
    std::string prompt;     ///< instead of messages, when there is a marker
    bool flagged_prefix = false, flagged_partial = false, flagged_continue = false;

    bool has(PrefixFlag) const;
};

Opening opening_of(const Document&, const Ask&);

/// The conversation that the answer depends on: without its beginning. Words of all of it are counted.
void read_conversation(Reading&, const Ask&, const Opening&);

}  // namespace streamkeeper::mock
