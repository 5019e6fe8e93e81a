/// Reads keys and tokens from where the file says they are.
#pragma once

#include <chrono>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "streamkeeper/config.hpp"

namespace streamkeeper::configuration {

struct SecretReading {
    Secret secret;
    std::string problem;                ///< for people; empty if `secret` is good
    std::vector<std::string> stripped;  ///< what hygiene took off and a person should know
};

/// A `file` source has an absolute path. `base` is where a command's relative program is looked for.
SecretReading read_secret(const SecretSource& source, const std::filesystem::path& base);

/// `file keys/payg`, `$APERTIS_KEY`, … for messages.
std::string described(const SecretSource& source);

struct CommandOutput {
    std::string text;
    std::string problem;
};

/// Runs a program without a shell: stdin is empty, stderr is ours, stdout is returned (at most 64 KiB).
CommandOutput run_command(std::span<const std::string> words, std::chrono::milliseconds limit);

}  // namespace streamkeeper::configuration
