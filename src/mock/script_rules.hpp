/// The rules of a script: which requests, which answers.
#pragma once

#include "mock/script.hpp"
#include "mock/vocabulary.hpp"
#include "mock/yaml_walk.hpp"

namespace streamkeeper::mock {

/// `names`: of the keys, for `when: {key: …}`.
Rule read_rule(const Spot&, const std::vector<std::string>& names, Report&);

/// A refusal of a limiter or key, in words (`429+reset`) or as a map. Null after a mistake.
std::shared_ptr<const Fault> read_refusal(const Spot&, Speaker, Report&);

}  // namespace streamkeeper::mock
