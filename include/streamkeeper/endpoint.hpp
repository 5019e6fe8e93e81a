/// What a request asks for.
#pragma once

#include <string_view>

namespace streamkeeper {

/// The policy paths (contract, section 3), the model list, and `other` for everything that is passed through.
enum class Endpoint { chat_completions, completions, responses, messages, embeddings, models, other };

/// The value of the label `endpoint`.
std::string_view endpoint_label(Endpoint);

}  // namespace streamkeeper
