#include "load.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <tuple>

#include "build.hpp"

namespace streamkeeper {
namespace configuration {
namespace {

constexpr std::size_t longest_file = 4 << 20;

/// Empty on success, else why not.
std::string read_text(const std::filesystem::path& file, std::string& text) {
    std::error_code error;
    if (std::filesystem::is_directory(file, error)) return "is a directory, not a configuration file";
    errno = 0;
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return std::string("cannot be read: ") + std::strerror(errno != 0 ? errno : EIO);
    text.assign(std::istreambuf_iterator<char>(stream), {});
    if (stream.bad()) return std::string("cannot be read: ") + std::strerror(errno != 0 ? errno : EIO);
    if (text.size() > longest_file) return "is longer than 4 MiB";
    return {};
}

std::filesystem::path base_of(const std::filesystem::path& file) {
    return std::filesystem::absolute(file).parent_path();
}

std::optional<std::filesystem::path> existing(const std::filesystem::path& folder) {
    std::error_code error;
    const auto file = folder / "streamkeeper/streamkeeper.yaml";
    return std::filesystem::exists(file, error) ? std::optional(file) : std::nullopt;
}

/// An empty variable counts as unset (XDG Base Directory Specification).
std::optional<std::string> environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? std::optional<std::string>(value) : std::nullopt;
}

}  // namespace

LoadResult load_text(const std::string& text, const std::string& file, const std::filesystem::path& base) {
    Report report{.file = file, .mistakes = {}, .notes = {}};
    const Item root = read_document(text, report);
    LoadResult result;
    if (root.good) {
        auto config = std::make_shared<Config>(build_config(root, base, report));
        config->notes = std::move(report.notes);
        config->file = file;
        if (report.mistakes.empty()) result.config = std::move(config);
    }
    result.mistakes = std::move(report.mistakes);
    std::sort(result.mistakes.begin(), result.mistakes.end(), [](const auto& a, const auto& b) {
        return std::tie(a.line, a.column, a.message) < std::tie(b.line, b.column, b.message);
    });
    return result;
}

KeyReferences key_references(const std::filesystem::path& file) {
    KeyReferences all;
    std::string text;
    Report report{.file = file.string(), .mistakes = {}, .notes = {}};
    if (!read_text(file, text).empty()) return all;
    const Item root = read_document(text, report);
    all.readable = root.good;
    const Item* upstreams = root.find("upstreams");
    if (upstreams == nullptr) return all;
    for (const auto& [name, upstream] : upstreams->members) {
        all.upstreams.push_back(name);
        const Item* keys = upstream.find("keys");
        if (keys == nullptr) continue;
        for (const Item& key : keys->elements) {
            const Item* own = key.find("name");
            if (own != nullptr) all.keys.push_back({name, own->text, source_of(key, base_of(file))});
        }
    }
    return all;
}

}  // namespace configuration

LoadResult load_config(const std::filesystem::path& file) {
    std::string text;
    if (const std::string problem = configuration::read_text(file, text); !problem.empty()) {
        return {nullptr, {{file.string(), 0, 0, problem}}};
    }
    return configuration::load_text(text, file.string(), configuration::base_of(file));
}

std::optional<std::filesystem::path> find_config(const std::string& flag) {
    using configuration::environment, configuration::existing;
    if (!flag.empty()) return flag;
    if (const auto named = environment("STREAMKEEPER_CONFIG")) return *named;
    const auto xdg = environment("XDG_CONFIG_HOME");
    const auto home = environment("HOME");
    std::optional<std::filesystem::path> found;
    if (xdg) found = existing(*xdg);
    if (!found && !xdg && home) found = existing(std::filesystem::path(*home) / ".config");
    if (!found) found = existing("/etc");
    return found;
}

}  // namespace streamkeeper
