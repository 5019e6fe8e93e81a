// check_chains: chains of models, each entry read as the planner will read it.
#include <algorithm>

#include "build.hpp"

namespace streamkeeper::configuration {
namespace {

/// What an entry means.
struct Meaning {
    std::string upstream;  ///< empty: that of the model which the chain stands in for
    std::string model;
    bool operator==(const Meaning&) const = default;
};

class ChainCheck {
public:
    ChainCheck(const Scope& top, const Config& config, Report& report)
        : names_(upstream_names(top)), config_(config), report_(report) {}

    /// `own` is the model that the chain belongs to, if it belongs to one. A chain that is too long is a mistake by
    /// then, and only as much of it is read as there may be.
    void walk(const Item* list, const std::string& name, const Meaning& own) const {
        if (list == nullptr || names_.empty()) return;
        const std::size_t end = std::min(list->elements.size(), static_cast<std::size_t>(list->entry->highest));
        std::vector<std::pair<Meaning, std::string_view>> seen;
        for (std::size_t i = 0; i < end; ++i) {
            const Item& entry = list->elements[i];
            if (!entry.good) continue;
            const Meaning meaning = meaning_of_entry(entry.text, own.upstream);
            const auto before =
                std::find_if(seen.begin(), seen.end(), [&](const auto& each) { return each.first == meaning; });
            std::string problem = problem_of_name(resolved(entry.text), own);
            if (problem.empty() && meaning == own) problem = "is the model itself, which has failed by then";
            if (problem.empty() && before != seen.end()) {
                problem = "is the same model as `" + std::string(before->second) + "` before it";
            }
            const std::string which = '`' + name + '[' + std::to_string(i) + "]` (`" + entry.text + "`) ";
            if (!problem.empty()) report_.mistake(entry.value, which + problem);
            seen.emplace_back(meaning, entry.text);
        }
    }

private:
    bool is_upstream(std::string_view name) const {
        return std::find(names_.begin(), names_.end(), name) != names_.end();
    }

    /// The end of a way through the aliases; a loop, which is a mistake of its own, ends somewhere.
    std::string resolved(std::string name) const {
        for (std::size_t hops = 0; hops < config_.aliases.size(); ++hops) {
            const auto alias = config_.aliases.find(name);
            if (alias == config_.aliases.end()) break;
            name = alias->second;
        }
        return name;
    }

    Meaning meaning_of_entry(const std::string& entry, const std::string& own_upstream) const {
        const std::string name = resolved(entry);
        const std::size_t slash = name.find('/');
        if (slash != name.npos && is_upstream(name.substr(0, slash))) {
            return {name.substr(0, slash), name.substr(slash + 1)};
        }
        const auto configured = config_.models.find(name);
        const bool placed = configured != config_.models.end() && !configured->second.upstream.empty();
        return {placed ? configured->second.upstream : own_upstream, name};
    }

    /// Ids of models contain slashes (`openai/gpt-4o` at OpenRouter), so what stands before one need not be an
    /// upstream. It is taken for a slip only if an upstream's name is near, and whoever means the model can say so.
    std::string problem_of_name(const std::string& name, const Meaning& own) const {
        if (config_.models.contains(name)) return {};
        if (is_upstream(name)) {
            return "is an upstream; a chain has models: `" + name + '/' + (own.model.empty() ? "MODEL" : own.model) +
                   '`';
        }
        const std::size_t slash = name.find('/');
        const std::string first = name.substr(0, slash);
        // One slip in a word of one or two letters makes any other such word.
        if (slash == name.npos || is_upstream(first) || first.size() < 3) return {};
        const std::string_view near = nearest(first, names_);
        if (near.empty()) return {};
        const std::string home = own.upstream.empty() ? "UPSTREAM" : own.upstream;
        return "names an unknown upstream `" + first + "`; did you mean `" + std::string(near) + name.substr(slash) +
               "`? If it is a model's full name, write its upstream before it: `" + home + '/' + name + '`';
    }

    std::vector<std::string_view> names_;
    const Config& config_;
    Report& report_;
};

}  // namespace

void check_chains(const Scope& top, const Config& config, Report& report) {
    const ChainCheck check(top, config, report);
    if (const Item* models = top.good("models")) {
        for (const auto& [name, item] : models->members) {
            const auto model = config.models.find(name);
            if (model == config.models.end()) continue;
            const std::string& own = model->second.upstream;
            check.walk(item.find("fallback"), "models." + name + ".fallback",
                       {own.empty() ? config.default_upstream : own, name});
        }
    }
    const Item* causes = top.good("fallback_on");
    for (const char* cause : {"context_length", "content_policy"}) {
        if (causes != nullptr) check.walk(causes->find(cause), std::string("fallback_on.") + cause, {});
    }
}

}  // namespace streamkeeper::configuration
