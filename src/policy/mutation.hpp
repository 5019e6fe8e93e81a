/// Faults that a test build can be given (resumption.md, "Mutations of the code"): the tests must see each of them.
/// `scripts/mutations` shows that they do. No released build has any: there `mutated` is a constant.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string_view>

namespace streamkeeper {

/// Whether this process has the fault, a letter that STREAMKEEPER_MUTATION names in its environment: (a) white space at
/// a seam is not cared for, (b) what a continuation seems to say again is taken off, (c) `[DONE]` is a success, (d) the
/// role is told again, (e) the whole answer is kept back, (f) pieces of calls are not, (g) what stands behind the last
/// whole event is shown.
#ifdef STREAMKEEPER_MUTATIONS
inline bool mutated(char which) {
    static const char* const named = std::getenv("STREAMKEEPER_MUTATION");
    return named != nullptr && *named == which;
}
#else
constexpr bool mutated(char) { return false; }
#endif

/// Fault (b): `words` without the longest beginning, of 6 bytes at least, that `text` ends with.
constexpr std::string_view without_overlap(std::string_view text, std::string_view words) {
    for (std::size_t size = std::min(text.size(), words.size()); size >= 6; --size)
        if (text.ends_with(words.substr(0, size))) return words.substr(size);
    return words;
}

}  // namespace streamkeeper
