/// Loading from text, whatever the text came from.
#pragma once

#include <filesystem>
#include <string>

#include "document.hpp"

namespace streamkeeper::configuration {

/// The mistakes are sorted by place. `file` stands in them and may be empty.
LoadResult load_text(const std::string& text, const std::string& file, const std::filesystem::path& base);

/// One `keys` entry of a file, whether its key can be read or not.
struct KeyReference {
    std::string upstream, name;
    SecretSource source;
};

struct KeyReferences {
    bool readable = false;  ///< the file is there and is YAML
    std::vector<std::string> upstreams;
    std::vector<KeyReference> keys;
};

/// For `key set`, which runs before the file is right.
KeyReferences key_references(const std::filesystem::path& file);

}  // namespace streamkeeper::configuration
