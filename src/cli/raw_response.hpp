/// One HTTP response as people paste it: what `curl -i` prints, with LF or CRLF, for any version of HTTP.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "streamkeeper/head.hpp"

namespace streamkeeper {

struct RawResponse {
    int status = 0;
    http::Fields fields;
    std::string_view body;  ///< as pasted; curl has already taken chunks off
};

struct RawMistake {
    std::size_t line = 1;
    std::string what;  ///< what is wrong and what is expected instead
};

/// Lenient where a paste differs from the wire (line ends, blank lines before it, no headers), and never guessing.
/// Heads of interim answers (100, 103) and of a proxy's "200 Connection established" are passed over. Views into
/// `text`.
std::variant<RawResponse, RawMistake> read_raw_response(std::string_view text);

}  // namespace streamkeeper
