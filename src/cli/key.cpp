#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>

#include "config/load.hpp"
#include "config/presets.hpp"
#include "config/secrets.hpp"
#include "config/values.hpp"
#include "key_entry.hpp"
#include "streamkeeper/config.hpp"
#include "verbs.hpp"

namespace streamkeeper {
namespace {

using configuration::KeyReference;
using configuration::KeyReferences;
using Source = SecretSource::Kind;

struct Wanted {
    std::string upstream, key;
    std::filesystem::path file;  ///< where the key is stored
    std::string name() const { return upstream + '/' + key; }
    std::string id() const { return file.filename().string(); }
};

std::optional<Wanted> parse(const std::string& text) {
    const std::size_t slash = text.find('/');
    if (slash == text.npos) return std::nullopt;
    Wanted wanted{text.substr(0, slash), text.substr(slash + 1), {}};
    if (!configuration::is_name(wanted.upstream) || !configuration::is_name(wanted.key)) return std::nullopt;
    return wanted;
}

bool reads(const KeyReference& reference, const Wanted& wanted) {
    if (reference.source.words.empty()) return false;
    const std::string& word = reference.source.words.front();
    if (reference.source.kind == Source::credential) return word == wanted.id();
    if (reference.source.kind != Source::file) return false;
    std::error_code error;
    return word == wanted.file.string() || std::filesystem::equivalent(word, wanted.file, error);
}

/// `a-b/c` and `a/b-c` share a file name; the second must not overwrite the first one's key.
const KeyReference* other_owner(const KeyReferences& known, const Wanted& wanted) {
    for (const KeyReference& each : known.keys) {
        if (reads(each, wanted) && each.upstream + '/' + each.name != wanted.name() &&
            each.upstream + '-' + each.name == wanted.id()) {
            return &each;
        }
    }
    return nullptr;
}

/// The entry to write. The system unit runs as another user and gets at root's keys through credentials alone; any
/// other configuration names the file.
std::string entry_line(const Wanted& wanted, const std::optional<std::filesystem::path>& config) {
    const auto home = wanted.file.parent_path().parent_path();
    const auto folder = config ? std::filesystem::absolute(*config).lexically_normal().parent_path() : home;
    if (::geteuid() == 0 && folder == home) return "- {name: " + wanted.key + ", credential: " + wanted.id() + "}";
    const auto relative = wanted.file.lexically_relative(folder);
    const bool below = !relative.empty() && *relative.begin() != "..";
    return "- {name: " + wanted.key + ", file: " + (below ? relative : wanted.file).string() + "}";
}

void say_entry(const Wanted& wanted, const KeyReferences& known, const std::optional<std::filesystem::path>& config) {
    const bool has =
        std::find(known.upstreams.begin(), known.upstreams.end(), wanted.upstream) != known.upstreams.end();
    const auto usual = wanted.file.parent_path().parent_path() / "streamkeeper.yaml";
    const std::string where = (config ? *config : usual).string();
    const bool preset = configuration::find_preset(wanted.upstream) != nullptr;
    if (has) {
        std::printf("Add it to %s, under `upstreams: %s: keys:`\n\n      %s\n\n", where.c_str(),
                    wanted.upstream.c_str(), entry_line(wanted, config).c_str());
    } else {
        std::printf("Add it to %s:\n\nupstreams:\n  %s:\n    preset: %s\n    keys:\n      %s\n\n", where.c_str(),
                    wanted.upstream.c_str(), preset ? wanted.upstream.c_str() : "PRESET",
                    entry_line(wanted, config).c_str());
    }
    std::puts("Then look it over with: streamkeeper check");
}

/// A credential is copied when the unit starts (systemd.exec(5)); a file is read again at SIGHUP.
void say_live(Source kind) {
    if (kind == Source::credential) {
        std::puts("The configuration names it. Make it live: systemctl restart streamkeeper");
    } else if (::geteuid() == 0) {
        std::puts(
            "The configuration names it. Make it live: systemctl reload streamkeeper\n"
            "(The packaged unit runs as another user and can't read root's files: there, write `credential:` instead "
            "of "
            "`file:`.)");
    } else {
        std::puts(
            "The configuration names it. Make it live: systemctl --user reload streamkeeper, or send SIGHUP: kill -HUP "
            "PID");
    }
}

/// The key, cleaned, or the problem.
CleanSecret ask(const Wanted& wanted) {
    KeyEntry entry = read_key_entry("Key for " + wanted.name());
    CleanSecret clean;
    if (entry.problem.empty())
        clean = clean_secret(entry.text);
    else
        clean.refused = entry.problem;
    configuration::cleanse(entry.text);
    return clean;
}

int fail(const std::string& message, int code) {
    std::fprintf(stderr, "streamkeeper key set: %s\n", message.c_str());
    return code;
}

}  // namespace

int run_key_set(const std::string& upstream_slash_name, const std::string& config_flag) {
    std::optional<Wanted> wanted = parse(upstream_slash_name);
    if (!wanted) {
        return fail("`" + upstream_slash_name + "` must be UPSTREAM/NAME, such as apertis/payg; each name: " +
                        std::string(configuration::name_rule),
                    2);
    }
    const std::filesystem::path directory = key_directory();
    if (directory.empty()) return fail("neither $XDG_CONFIG_HOME nor $HOME says where keys are kept", 1);
    wanted->file = directory / (wanted->upstream + '-' + wanted->key);
    const auto config = find_config(config_flag);
    const KeyReferences known = config ? configuration::key_references(*config) : KeyReferences{};
    if (const KeyReference* owner = other_owner(known, *wanted)) {
        return fail(wanted->file.string() + " holds the key of " + owner->upstream + '/' + owner->name +
                        "; choose another name",
                    1);
    }
    CleanSecret clean = ask(*wanted);
    if (!clean.refused.empty()) return fail("the key " + clean.refused + "; nothing was stored", 1);
    const std::string problem = store_key(directory, wanted->id(), clean.text);
    const Secret secret(std::move(clean.text));
    configuration::cleanse(clean.text);
    if (!problem.empty()) return fail("not stored: " + problem, 1);
    std::erase(clean.stripped, "a trailing newline");
    if (!clean.stripped.empty()) std::printf("Stripped: %s.\n", configuration::enumerate(clean.stripped).c_str());
    std::printf("Stored %s (%s), readable by its owner alone.\n", wanted->file.c_str(), secret.masked().c_str());
    const auto used = std::find_if(known.keys.begin(), known.keys.end(),
                                   [&](const KeyReference& each) { return reads(each, *wanted); });
    if (used != known.keys.end())
        say_live(used->source.kind);
    else
        say_entry(*wanted, known, config);
    return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace streamkeeper
