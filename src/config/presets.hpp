/// What is known of a vendor before its file says more.
#pragma once

#include <span>
#include <string_view>

#include "streamkeeper/config.hpp"

namespace streamkeeper::configuration {

struct Preset {
    std::string_view name;
    std::string_view base_url;  ///< empty: the file has to say it
    AuthStyle auth;
    StreamUsage stream_usage;
    LimitScope limit_scope = LimitScope::key;     ///< `key` also where the vendor says nothing
    std::span<const RateLimit> rate_limits = {};  ///< only limits that hold for every customer
    Capability capability = {};                   ///< empty: nothing is known, so it is probed
};

std::span<const Preset> presets();
const Preset* find_preset(std::string_view name);

/// The preset whose host and port `url` has, or null.
const Preset* preset_at(const BaseUrl& url);

}  // namespace streamkeeper::configuration
