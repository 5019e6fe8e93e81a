/// The keys that the mock takes, what each may do, and what is left of its quota.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mock/fault.hpp"

namespace streamkeeper::mock {

struct KeyRule {
    std::string name, secret;
    std::optional<std::uint64_t> quota{};       ///< POST requests that may be answered with 2xx
    std::shared_ptr<const Fault> when_empty{};  ///< the answer behind the quota; null: 402 quota_exceeded
    std::shared_ptr<const Fault> refuse{};      ///< always this: an expired key, a suspended account
    std::vector<std::string> models{}, ips{};   ///< patterns; empty: all
};

struct Key {
    KeyRule rule;
    std::uint64_t requests = 0, refused = 0;  ///< all that presented it; those answered with a status from 400 on
    std::optional<std::uint64_t> left{};
};

class Keys {
public:
    /// With `any`, every key and none at all is taken, as one key named `any`.
    Keys(std::vector<KeyRule>, bool any);

    Key* find(std::string_view secret);  ///< nullptr: not a key of the mock
    Key* find_named(std::string_view name);
    void clear();
    boost::json::object state() const;

private:
    std::vector<Key> all_;
    bool any_;
};

}  // namespace streamkeeper::mock
