/// A request's line, for the log and for `/-/status`. Never a prompt, an answer, a query string or a key.
#pragma once

#include <string>

#include "ops/text.hpp"
#include "streamkeeper/record.hpp"

namespace streamkeeper {

/// Appends one JSON object.
void append_json(Text& out, const Record&);
/// For a terminal.
std::string record_as_text(const Record&);

}  // namespace streamkeeper
