// Which upstream and model a name means.
#include "streamkeeper/plan.hpp"

namespace streamkeeper {

namespace {

/// `a/b` with `a` an upstream's name.
std::optional<Route> named(const Config& config, std::string_view model) {
    const std::size_t slash = model.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    std::shared_ptr<const Upstream> upstream = config.upstream_ptr(model.substr(0, slash));
    if (!upstream) return std::nullopt;
    return Route{std::move(upstream), std::string(model.substr(slash + 1))};
}

std::string resolve_alias(const Config& config, std::string_view model) {
    std::string name(model);
    // The loader refuses loops; the bound only keeps a mistake there from hanging the daemon.
    for (int hops = 0; hops < 32; ++hops) {
        const auto alias = config.aliases.find(name);
        if (alias == config.aliases.end()) break;
        name = alias->second;
    }
    return name;
}

}  // namespace

std::string_view default_name(const Config& config) {
    return config.default_upstream.empty() ? std::string_view(config.upstreams.front()->name)
                                           : std::string_view(config.default_upstream);
}

bool needs_default_list(const Config& config, std::string_view forced_upstream, std::string_view model) {
    return forced_upstream.empty() && config.aliases.find(std::string(model)) == config.aliases.end() &&
           named(config, model);
}

std::variant<Route, http::Refusal> route(const Config& config, std::string_view forced_upstream, std::string_view model,
                                         const InDefaultList& in_list) {
    if (!forced_upstream.empty()) {
        std::shared_ptr<const Upstream> upstream = config.upstream_ptr(forced_upstream);
        if (!upstream)
            return http::Refusal{
                404, "unknown_upstream",
                "there is no upstream '" + std::string(forced_upstream) + "' in streamkeeper's configuration"};
        return Route{std::move(upstream), resolve_alias(config, model)};
    }
    const std::string name = resolve_alias(config, model);
    const bool aliased = name != model;
    if (std::optional<Route> found = named(config, name); found && (aliased || !in_list(name)))
        return std::move(*found);
    const auto configured = config.models.find(name);
    if (configured != config.models.end() && !configured->second.upstream.empty())
        return Route{config.upstream_ptr(configured->second.upstream), name};
    return Route{config.upstream_ptr(default_name(config)), name};
}

Route chain_entry(const Config& config, const std::shared_ptr<const Upstream>& home, std::string_view entry) {
    const std::string name = resolve_alias(config, entry);
    if (std::optional<Route> found = named(config, name)) return std::move(*found);
    const auto configured = config.models.find(name);
    if (configured != config.models.end() && !configured->second.upstream.empty())
        return {config.upstream_ptr(configured->second.upstream), name};
    return {home, name};
}

}  // namespace streamkeeper
