/// How requests are told apart that an upstream may continue in different ways.
#pragma once

#include <string>
#include <string_view>

#include "streamkeeper/endpoint.hpp"

namespace streamkeeper {

/// The dialect, and of each member its name; a setting with its value: `messages tools reasoning_effort="low"`.
std::string probe_kind(Endpoint, std::string_view probe_members);
/// Whether there is more among them than tools: settings of reasoning.
bool sets_reasoning(std::string_view probe_members);

}  // namespace streamkeeper
