/// Faults that a test build has on purpose (resumption.md, "Mutations of the code"): the tests must see each of them.
/// `scripts/mutations` builds with one at a time; no other build has any.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace streamkeeper {

#ifdef STREAMKEEPER_MUTATION
inline constexpr char mutation = STREAMKEEPER_MUTATION;
#else
inline constexpr char mutation = 0;
#endif

/// Whether this build has the fault: (a) white space at a seam is not cared for, (b) what a continuation seems to say
/// again is taken off, (c) `[DONE]` is a success, (d) the role is told again, (e) the whole answer is kept back,
/// (f) pieces of calls are not, (g) what stands behind the last whole event is shown.
constexpr bool mutated(char which) { return mutation == which; }

/// Fault (b): `words` without the longest beginning, of 6 bytes at least, that `text` ends with.
constexpr std::string_view without_overlap(std::string_view text, std::string_view words) {
    for (std::size_t size = std::min(text.size(), words.size()); size >= 6; --size)
        if (text.ends_with(words.substr(0, size))) return words.substr(size);
    return words;
}

}  // namespace streamkeeper
