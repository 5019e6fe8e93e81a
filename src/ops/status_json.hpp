/// Parts of `/-/status`.
#pragma once

#include <string>

#include "streamkeeper/server.hpp"

namespace streamkeeper {

/// One upstream: its connections, its keys with their state, its closed gates with "until" and "because".
std::string upstream_json(const UpstreamSnapshot&);

}  // namespace streamkeeper
