/// Escapes of JSON strings that are known to be valid (RFC 8259, 7).
#pragma once

#include <string>
#include <string_view>

namespace streamkeeper::json {

/// What becomes of half a surrogate pair, which no UTF-8 can hold.
enum class Halves {
    replace,  ///< by U+FFFD
    keep,     ///< as three bytes of its own (WTF-8), so that nothing is lost
};

/// The text between a string's quotes, escapes resolved.
std::string unescape(std::string_view inside, Halves halves);
/// What a letter behind a backslash stands for, other than `u`.
char unescaped(char letter);
/// The number that four hexadecimal digits spell.
unsigned hex4(const char* digits);

}  // namespace streamkeeper::json
