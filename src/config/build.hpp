/// From a judged tree to a `Config`: what one value alone can't tell.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "document.hpp"
#include "streamkeeper/config.hpp"

namespace streamkeeper::configuration {

/// `base`: the absolute directory that file names are relative to.
Config build_config(const Item& root, const std::filesystem::path& base, Report& report);

/// The parts of it, one file each.
std::vector<std::shared_ptr<const Upstream>> build_upstreams(const Scope& top, const std::filesystem::path& base,
                                                             Report& report);
TimeoutOverrides build_overrides(const Scope& timeouts);
SecretSource source_of(const Item& key, const std::filesystem::path& base);
std::string absolute_name(const std::filesystem::path& base, const std::string& name);

/// Points that need the whole file.
void check_whole(const Scope& top, const Config& config, Report& report);
void check_chains(const Scope& top, const Config& config, Report& report);

/// Names may be compared only with all of them: an upstream that is a mistake itself still has its name.
std::vector<std::string_view> upstream_names(const Scope& top);

}  // namespace streamkeeper::configuration
