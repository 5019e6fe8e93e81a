/// A fault put into an answer.
#pragma once

#include <functional>
#include <memory>

#include "mock/answer.hpp"

namespace streamkeeper::mock {

/// `healthy` is asked only where the fault leaves something of the model's answer.
Answer perform(std::shared_ptr<const Fault>, const Request&, const std::function<Answer()>& healthy);

}  // namespace streamkeeper::mock
