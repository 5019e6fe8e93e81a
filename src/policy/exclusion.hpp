/// Members of a request that make a continuation something else than the rest of the answer (resumption.md, "Break to
/// strategy": "Not P").
#pragma once

#include <span>
#include <string>

#include "streamkeeper/endpoint.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper::exclusion {

/// A member's value, raw, and its kind.
struct Value {
    std::string_view text;
    json::Kind kind = json::Kind::null;
    std::string string() const { return kind == json::Kind::string ? json::unquote(text) : std::string(); }
};

/// Asked only of a value that is not null, which is as good as none.
struct Rule {
    std::string_view name;
    bool (*excludes)(const Value&);
};
/// Of chat, completions or messages.
std::span<const Rule> rules(Endpoint);

/// Of an array's or an object's text.
inline bool empty_container(std::string_view text) { return text.find_first_not_of(" \t\r\n", 1) == text.size() - 1; }
inline bool not_empty_list(const Value& value) {
    return value.kind != json::Kind::array || !empty_container(value.text);
}

}  // namespace streamkeeper::exclusion
