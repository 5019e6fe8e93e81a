/// One function per endpoint. None of them knows about sockets; `answer` finds the one a request means.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mock/answer.hpp"

namespace streamkeeper::mock {

struct StoredFile {
    std::string id, filename, purpose;
    std::uint64_t bytes = 0;
};

/// What outlives a request. Used by the mock's thread alone.
struct World {
    std::string key;                ///< empty: any key, or none, is taken
    std::vector<StoredFile> files;  ///< the newest 1,000 uploads, without their content
};

Answer answer(const Request&, World&);

Answer chat(const Request&);
Answer completions(const Request&);
Answer responses(const Request&);
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
