/// What `--script FILE` says: models, keys, limits and rules. README.md beside this file is the user's page.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mock/keys.hpp"
#include "mock/limiter.hpp"
#include "mock/models.hpp"
#include "streamkeeper/config.hpp"

namespace streamkeeper::mock {

/// Which requests a rule is about. Every list is of patterns, one of which must fit; an empty one asks for nothing.
struct When {
    std::vector<std::string> model;  ///< without a fault's words
    std::vector<std::string> path;   ///< `chat/completions`, or from the `/` on: `/v1/models`
    std::vector<std::string> key;    ///< names
    std::vector<std::string> method, ip;
    std::vector<std::pair<std::string, std::vector<std::string>>> header;
    std::optional<bool> stream;

    bool needs_body() const { return !model.empty() || stream.has_value(); }
};

struct Rule {
    int line = 0;
    When when;
    Play play;
};

struct Script {
    std::optional<std::vector<Model>> models;  ///< none: the usual ones
    std::vector<KeyRule> keys;
    std::vector<LimitRule> limits;
    std::vector<Rule> rules;
    std::optional<ErrorShape> errors;  ///< of the mock's own refusals; none: by path
    std::optional<Bytes> max_body;     ///< larger ones are answered 413 before they are read
    std::chrono::milliseconds delay{0}, jitter{0};
};

struct ScriptReading {
    Script script;
    std::vector<ConfigMistake> mistakes;  ///< empty: the script is good
};

/// `file` is named in the mistakes.
ScriptReading read_script(const std::string& text, const std::string& file);

/// `1500/3m per ip`, also `per key` and `per all`, also with an answer behind: `5/1s per key 429+reset+retry_after`.
/// Returns the mistake, for people, or nothing.
std::string read_limit(std::string_view text, LimitRule&);

/// Fills what the user left out.
void complete(LimitRule&);

}  // namespace streamkeeper::mock
