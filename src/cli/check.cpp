#include <cstdio>
#include <string>

#include "streamkeeper/config.hpp"
#include "verbs.hpp"

namespace streamkeeper {
namespace {

/// A full disk or a closed pipe must not look like success (`check --schema > file`).
int print(const std::string& text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
    if (!written) std::fputs("streamkeeper: stdout could not be written\n", stderr);
    return written ? 0 : 1;
}

}  // namespace

int run_check(const std::string& config_flag, bool schema, bool reference) {
    if (schema) return print(config_schema_json());
    if (reference) return print(config_reference_markdown());
    const auto file = find_config(config_flag);
    if (!file) {
        std::fputs(
            "streamkeeper: there is no configuration at $STREAMKEEPER_CONFIG, ~/.config/streamkeeper/streamkeeper.yaml "
            "or /etc/streamkeeper/streamkeeper.yaml; name one with --config FILE\n",
            stderr);
        return 1;
    }
    const LoadResult result = load_config(*file);
    for (const ConfigMistake& mistake : result.mistakes) std::fprintf(stderr, "%s\n", mistake.text().c_str());
    if (!result.config) return 1;
    std::fprintf(stderr, "%s: no mistakes\n", file->c_str());
    for (const std::string& note : result.config->notes) std::fprintf(stderr, "note: %s\n", note.c_str());
    return print(show_config(*result.config));
}

}  // namespace streamkeeper
