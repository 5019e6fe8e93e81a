/// One pass over a JSON text: full RFC 8259 validation (UTF-8 included) and the byte spans of one object's members.
///
/// Policy never re-serialises a body: it validates it here, reads what it needs from spans, and splices
/// (contract, section 3). No allocation but the caller's vector.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace streamkeeper::json {

/// A half-open range of bytes in the scanned text.
struct Span {
    std::size_t begin = 0, end = 0;
    std::size_t size() const { return end - begin; }
    std::string_view in(std::string_view text) const { return text.substr(begin, size()); }
};

enum class Kind : unsigned char { object, array, string, number, boolean, null };

/// One member of the outermost object. Spans include a string's quotes.
struct Member {
    Span key, value;
    Kind kind = Kind::null;
    bool key_escaped = false;  ///< the key is spelt with a backslash somewhere; compare with `key_is`
};

struct Mistake {
    std::size_t offset = 0;
    const char* what = "";  ///< "expected ',' or '}'"
};

/// Deepest nesting accepted; deeper is a mistake, not a crash.
inline constexpr int max_depth = 512;

/// Validates `text` (exactly one value, white space around it allowed; no BOM). If it is an object and `members` is
/// given, its members are appended in order, duplicates included; after a mistake they are not to be used.
/// Valid is what the grammar of RFC 8259 allows in UTF-8, half a surrogate pair spelt as an escape included: whether a
/// number or a string makes sense is the vendor's business.
std::optional<Mistake> scan(std::string_view text, std::vector<Member>* members = nullptr);

/// Where the string whose inside begins at `p` ends: its closing quote. Null if there is none before `end`, or what
/// lies between is no inside of a JSON string.
const char* inside_end(const char* p, const char* end);

/// Compares a member's key with a plain ASCII name, escapes resolved.
bool key_is(std::string_view text, const Member&, std::string_view name);

/// A walk through the members of one object that is already known to be valid: start with `rest` = the object's text.
/// `key` and `value` are raw text, quotes included.
struct MemberCursor {
    std::string_view rest, key, value;
    /// Compares `key`, escapes resolved. An escape makes a key longer than its name, so most answers are the lengths'.
    bool is(std::string_view name) const {
        if (key.size() < name.size() + 2) return false;
        return key.size() == name.size() + 2 ? key.substr(1, name.size()) == name : is_escaped(name);
    }

private:
    bool is_escaped(std::string_view name) const;
};
/// Moves to the next member; false behind the last one.
bool next_member(MemberCursor&);

/// Steps through the members of an object, or the elements of an array, that is already known to be valid.
/// `value` is the text of the object itself. Returns the raw value of the first member called `name`, or empty.
std::string_view find(std::string_view value, std::string_view name);
/// Calls `visit(element)` for each element of a valid array's text.
void for_each_element(std::string_view array, void (*visit)(std::string_view element, void* context), void* context);

/// The text of a valid JSON string value (with quotes), escapes resolved; empty if `value` is no string.
std::string unquote(std::string_view value);
/// `text` as a JSON string with quotes; control characters and invalid UTF-8 are escaped or replaced.
std::string quote(std::string_view text);

/// 1-based line and column (in bytes) of an offset. Computed only when something is wrong.
struct Position {
    std::size_t line = 1, column = 1;
};
Position position_of(std::string_view text, std::size_t offset);

}  // namespace streamkeeper::json
