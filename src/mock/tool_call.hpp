/// Whether the model calls a tool, which one, and with what: read from the tools of any of the three dialects.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace streamkeeper::mock {

struct ToolCall {
    std::string name;                    ///< empty: no call
    std::vector<std::string> arguments;  ///< JSON text in pieces, none of which splits a UTF-8 character
};

/// A tool is called when the choice demands one, or when the last message is the user's and says "tool".
/// Pointers may be null.
ToolCall choose_tool(const boost::json::value* tools, const boost::json::value* choice,
                     const boost::json::value* conversation, std::uint64_t seed);

}  // namespace streamkeeper::mock
