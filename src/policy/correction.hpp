/// A model's name that its upstream refused, and the one that was meant.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "streamkeeper/config.hpp"

namespace streamkeeper {

/// The listed id that `asked` means: itself, or with `fix` the only one that is equal when case, spaces, '-', '_' and
/// '.' are ignored. Nothing: none, or more than one.
std::optional<std::string_view> correction(std::string_view asked, std::span<const std::string_view> ids, ModelNames);

/// "Did you mean …?" with the three nearest ids; empty if the list is.
std::string nearest_names(std::string_view asked, std::span<const std::string_view> ids);

}  // namespace streamkeeper
