/// Whether the model calls a tool, which one, and with what: read from the tools of any of the three dialects.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mock/opening.hpp"

namespace streamkeeper::mock {

struct ToolCall {
    std::string name;                    ///< empty: no call
    std::vector<std::string> arguments;  ///< JSON text in pieces, none of which splits a UTF-8 character

    std::string arguments_text() const;
};

/// A tool is called when the choice demands one, or when the last message is the user's and says "tool". A beginning of
/// the answer is no message here. Pointers may be null.
ToolCall choose_tool(const boost::json::value* tools, const boost::json::value* choice, const Opening&,
                     const boost::json::value* conversation, std::uint64_t seed);

struct CallPiece {
    std::size_t call = 0, piece = 0;
};

/// Piece `number` of all calls' arguments when they come in turns.
CallPiece piece_in_turn(const std::vector<ToolCall>&, std::size_t number);

}  // namespace streamkeeper::mock
