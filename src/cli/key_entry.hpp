/// How a key comes in and where it is laid down; `key set` puts the two together.
#pragma once

#include <filesystem>
#include <string>

namespace streamkeeper {

/// What a person pasted or piped; `problem` is empty if `text` is all of it. The caller cleanses `text`.
struct KeyEntry {
    std::string text;
    std::string problem;
};

/// From the terminal without echo, if stdin is one; else all of stdin (at most 64 KiB).
KeyEntry read_key_entry(const std::string& prompt);

/// `/etc/streamkeeper/keys` for root, else `$XDG_CONFIG_HOME/streamkeeper/keys` or `~/.config/streamkeeper/keys`;
/// empty if there is no home.
std::filesystem::path key_directory();

/// Writes `name` 0600 so that a reader sees the old key or the new one, never a part. Missing directories are made.
/// Returns the problem, empty on success.
std::string store_key(const std::filesystem::path& directory, const std::string& name, std::string_view key);

}  // namespace streamkeeper
