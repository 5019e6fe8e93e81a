/// What the configuration room itself needs of secrets; everybody else uses `Secret` and `clean_secret`.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace streamkeeper::configuration {

/// Overwrites the whole storage of `text`, unused capacity included, and empties it.
void cleanse(std::string& text);

using HashKey = std::array<std::uint64_t, 2>;

/// SipHash-2-4 (Aumasson and Bernstein, 2012).
std::uint64_t siphash(HashKey key, std::string_view bytes);

}  // namespace streamkeeper::configuration
