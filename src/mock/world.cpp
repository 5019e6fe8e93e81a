#include "mock/world.hpp"

#include <boost/json.hpp>

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

json::object counts(const Lookup<std::uint64_t>& all) {
    json::object out;
    for (const auto& [name, count] : all) out[name] = count;
    return out;
}

}  // namespace

World::World(Script script, bool any_key)
    : models(script.models ? Models(std::move(*script.models)) : Models()),
      keys(std::move(script.keys), any_key),
      limits(std::move(script.limits)),
      errors(script.errors),
      max_body(script.max_body),
      delay(script.delay),
      jitter(script.jitter) {
    for (auto& rule : script.rules) {
        Performance performance(rule.play);
        rules.push_back({std::move(rule), std::move(performance)});
    }
}

void World::clear() {
    keys.clear();
    limits.clear();
    for (auto& each : rules) {
        each.performance.restart();
        each.given = 0;
    }
    named.clear();
    asked.clear();
    drifting.clear();
    testimonies.clear();
    responses.clear();
    tally = Tally();
}

json::object World::state() const {
    json::object statuses;
    for (std::size_t i = 0; i < tally.statuses.size(); ++i)
        if (tally.statuses[i] != 0) statuses[i == 0 ? "none" : std::to_string(i)] = tally.statuses[i];
    json::array each_rule;
    for (const auto& each : rules) each_rule.push_back(json::object{{"line", each.rule.line}, {"given", each.given}});
    json::array answers;
    for (const auto& each : testimonies) answers.push_back(each->state());
    return {{"requests", tally.requests},     {"statuses", std::move(statuses)},
            {"models", counts(tally.models)}, {"faults", counts(tally.faults)},
            {"keys", keys.state()},           {"limits", limits.state()},
            {"rules", std::move(each_rule)},  {"answers", std::move(answers)}};
}

}  // namespace streamkeeper::mock
