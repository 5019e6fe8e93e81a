#include "mock/yaml_walk.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "config/schema.hpp"
#include "mock/values.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr int most_nodes = 100'000;  // an alias can make a node contain itself

std::string tick(std::string_view text) { return '`' + std::string(text) + '`'; }

std::string unknown_key(std::string_view key, const Members& members) {
    std::vector<std::string_view> names;
    for (const auto& member : members) names.push_back(member.first);
    if (const auto near = configuration::nearest(key, names); !near.empty())
        return " is no key here; did you mean " + tick(near) + '?';
    std::string all;
    for (const auto name : names) all += (all.empty() ? "" : ", ") + std::string(name);
    return " is no key here; known are " + all;
}

json::value value_of(const YAML::Node& node, int& budget) {
    if (--budget < 0 || node.IsNull()) return nullptr;
    if (node.IsSequence()) {
        json::array all;
        for (const auto& each : node) all.push_back(value_of(each, budget));
        return all;
    }
    if (node.IsMap()) {
        json::object all;
        for (const auto& each : node) all[each.first.Scalar()] = value_of(each.second, budget);
        return all;
    }
    boost::system::error_code error;
    json::value read = node.Tag() == "!" ? json::value() : json::parse(node.Scalar(), error);
    const bool literal = node.Tag() != "!" && !error && (read.is_number() || read.is_bool());
    return literal ? read : json::value(node.Scalar());
}

}  // namespace

Place place_of(const YAML::Node& node, Place fallback) {
    const YAML::Mark mark = node.Mark();
    return mark.is_null() ? fallback : Place{mark.line + 1, mark.column + 1};
}

Spot Spot::element(std::size_t index) const {
    return {node[index], place_of(node[index], place), name + '[' + std::to_string(index) + ']'};
}

void read_map(const Spot& spot, const Members& members, Report& report) {
    if (!spot.node.IsMap()) return report.mistake(spot.place, tick(spot.name) + " must be a map (`key: value`)");
    std::vector<std::string> seen;
    for (const auto& pair : spot.node) {
        const Place place = place_of(pair.first, spot.place);
        const std::string key = pair.first.IsScalar() ? pair.first.Scalar() : std::string();
        const auto known = std::find_if(members.begin(), members.end(), [&](const auto& m) { return m.first == key; });
        if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
            report.mistake(place, tick(key) + " is given twice");
        } else if (known == members.end()) {
            report.mistake(place, tick(key) + unknown_key(key, members));
        } else {
            known->second({pair.second, place_of(pair.second, place), key});
        }
        seen.push_back(key);
    }
}

void read_list(const Spot& spot, const std::function<void(const Spot&)>& each, Report& report) {
    if (!spot.node.IsSequence()) return report.mistake(spot.place, tick(spot.name) + " must be a list (`- …` lines)");
    for (std::size_t i = 0; i < spot.node.size(); ++i) each(spot.element(i));
}

std::optional<std::string> read_text(const Spot& spot, Report& report) {
    if (spot.node.IsScalar()) return spot.node.Scalar();
    report.mistake(spot.place, tick(spot.name) + " must be a single value");
    return std::nullopt;
}

std::optional<std::uint64_t> read_number(const Spot& spot, std::uint64_t lowest, Report& report) {
    const auto number = spot.node.IsScalar() ? whole_number(spot.node.Scalar()) : std::nullopt;
    if (number && *number >= lowest) return *number;
    report.mistake(spot.place, tick(spot.name) + " must be a whole number from " + std::to_string(lowest) + " on");
    return std::nullopt;
}

std::optional<std::chrono::milliseconds> read_duration(const Spot& spot, Report& report) {
    const auto duration = spot.node.IsScalar() ? parse_duration(spot.node.Scalar()) : std::nullopt;
    if (duration && *duration != no_limit) return duration;
    report.mistake(spot.place, tick(spot.name) + " must be a duration like 250ms, 5s or 2m");
    return std::nullopt;
}

std::optional<bool> read_flag(const Spot& spot, Report& report) {
    const std::string text = spot.node.IsScalar() ? spot.node.Scalar() : std::string();
    if (text == "true" || text == "false") return text == "true";
    report.mistake(spot.place, tick(spot.name) + " must be true or false");
    return std::nullopt;
}

std::vector<std::string> read_texts(const Spot& spot, Report& report) {
    std::vector<std::string> all;
    const auto add = [&](const Spot& one) {
        if (const auto text = read_text(one, report)) all.push_back(*text);
    };
    if (spot.node.IsSequence())
        read_list(spot, add, report);
    else
        add(spot);
    return all;
}

std::string json_of(const Spot& spot, Report& report) {
    int budget = most_nodes;
    std::string text = json::serialize(value_of(spot.node, budget));
    if (budget < 0) report.mistake(spot.place, tick(spot.name) + " is too large, or contains itself");
    return text;
}

}  // namespace streamkeeper::mock
