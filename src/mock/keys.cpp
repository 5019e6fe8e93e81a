#include "mock/keys.hpp"

#include <boost/json.hpp>

namespace streamkeeper::mock {

namespace json = boost::json;

Keys::Keys(std::vector<KeyRule> rules, bool any) : any_(any) {
    if (any) rules.push_back({.name = "any", .secret = {}});
    for (auto& rule : rules) all_.push_back({.rule = std::move(rule)});
    clear();
}

Key* Keys::find(std::string_view secret) {
    for (auto& key : all_)
        if (key.rule.secret == secret && !secret.empty()) return &key;
    return any_ ? &all_.back() : nullptr;
}

Key* Keys::find_named(std::string_view name) {
    for (auto& key : all_)
        if (key.rule.name == name) return &key;
    return nullptr;
}

void Keys::clear() {
    for (auto& key : all_) {
        key.requests = key.refused = 0;
        key.left = key.rule.quota;
    }
}

json::object Keys::state() const {
    json::object all;
    for (const auto& key : all_) {
        json::object state{{"requests", key.requests}, {"refused", key.refused}};
        state["left"] = key.left ? json::value(*key.left) : json::value(nullptr);
        all[key.rule.name] = std::move(state);
    }
    return all;
}

}  // namespace streamkeeper::mock
