/// What the judge's rows ask of an outcome. Codes are compared whole, phrases are searched in the error's message
/// alone: a body may echo the prompt, and a code may contain another one (errors.md, traps 3 and 8).
#pragma once

#include <initializer_list>
#include <string_view>

#include "streamkeeper/outcome.hpp"

namespace streamkeeper::recognise {

using Words = std::initializer_list<std::string_view>;

/// An answer that is an error, before anything of it was shown: the only thing that the rows R1a to R9h speak of.
bool refused(const Outcome&);
/// Its status; of an error inside a 200 the one that is meant. 0 if `refused` is false.
int status(const Outcome&);
bool status_is(const Outcome&, std::initializer_list<int> statuses);

/// `code`, `type`, `error_type`, or a message that is one word, is exactly one of these.
bool named(const Outcome&, Words codes);
/// The message has one of these phrases, which are in lower case. Case is ignored, in ASCII.
bool says(const Outcome&, Words phrases);
/// The message has these phrases one after the other.
bool says_in_order(const Outcome&, Words phrases);
/// `phrase` is followed by a number in the message.
bool says_number(const Outcome&, std::string_view phrase);
/// The same letters, large and small, stand in the message: for names such as RESOURCE_EXHAUSTED.
bool quotes(const Outcome&, std::string_view name);
/// A member called one of `names`, at any depth of the error's details, has a string that contains `part`. What the
/// details echo of the request is not looked at.
bool detail(const Outcome&, Words names, std::string_view part);
/// Like `detail`, but the whole string is meant.
bool detail_is(const Outcome&, Words names, std::string_view text);
/// OpenRouter's moderation says in its metadata why.
bool names_reasons(const Outcome&);

bool context_length(const Outcome&);     ///< R4: the prompt is longer than the model's window
bool larger_than_limit(const Outcome&);  ///< R3a: one request asks for more than a minute allows
bool unknown_model(const Outcome&);      ///< R7b
bool google_limit(const Outcome&);       ///< R1c, R1d: a 429 with Google's words, wherever they stand
bool google_daily(const Outcome&);       ///< R1c: of the day, or of nothing at all
bool google_minute(const Outcome&);      ///< R1d: 60 s unless it says better

}  // namespace streamkeeper::recognise
