/// One function per endpoint. None of them knows about sockets; `answer` finds the one a request means.
#pragma once

#include <string_view>

#include "mock/answer.hpp"
#include "mock/world.hpp"

namespace streamkeeper::mock {

/// Decides and books. The request is not const: its fault and document are found on the way.
Answer answer(Request&, World&);

/// `/mock/…`: what tests ask and tell the mock itself.
bool is_control(std::string_view path);
Answer control(const Request&, World&);

Answer chat(const Request&);
Answer completions(const Request&);
Answer responses(const Request&, World&);
Answer messages(const Request&);
Answer count_tokens(const Request&);
Answer embeddings(const Request&);
Answer transcriptions(const Request&);
Answer speech(const Request&);
Answer upload_file(const Request&, World&);
Answer list_files(const Request&, const World&);
Answer show_file(const Request&, const World&, std::string_view id);
Answer list_models(const Request&);
Answer list_public_models(const Request&);
Answer show_model(const Request&, std::string_view id);

}  // namespace streamkeeper::mock
