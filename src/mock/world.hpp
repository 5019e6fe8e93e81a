/// What outlives a request. Used by the mock's thread alone.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "mock/answer.hpp"
#include "mock/lookup.hpp"
#include "mock/script.hpp"
#include "mock/stored_responses.hpp"
#include "mock/testimony.hpp"

namespace streamkeeper::mock {

struct StoredFile {
    std::string id, filename, purpose;
    std::uint64_t bytes = 0;
};

/// How many requests were what.
struct Tally {
    std::uint64_t requests = 0;
    Lookup<std::uint64_t> models, faults;
    std::array<std::uint64_t, 600> statuses{};  ///< by status; 0: none was sent
};

/// A rule of the script and how far its play is.
struct ActiveRule {
    Rule rule;
    Performance performance;
    std::uint64_t given = 0;  ///< requests that it decided
};

struct World {
    World(Script, bool any_key);

    /// Forgets what happened: counters, windows, quotas, plays. Files stay.
    void clear();
    boost::json::object state() const;

    Models models;
    Keys keys;
    Limits limits;
    std::vector<ActiveRule> rules;
    std::optional<ErrorShape> errors;
    std::optional<Bytes> max_body;
    std::chrono::milliseconds delay{0}, jitter{0};
    Lookup<Performance> named, asked;                    ///< plays of model names and of x-mock-fault, by their text
    Lookup<std::size_t> drifting;                        ///< requests of plays whose model drifts
    std::deque<std::shared_ptr<Testimony>> testimonies;  ///< of the newest answers
    StoredResponses responses;
    Tally tally;
    std::vector<StoredFile> files;  ///< the newest 1,000 uploads, without their content
};

}  // namespace streamkeeper::mock
