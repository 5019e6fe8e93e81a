// The reference page, written from the table.
#include <algorithm>

#include "presets.hpp"
#include "resume.hpp"
#include "schema.hpp"
#include "streamkeeper/config.hpp"
#include "values.hpp"

namespace streamkeeper {
namespace configuration {
namespace {

std::string_view type_of(Kind kind) {
    switch (kind) {
        case Kind::map: return "map";
        case Kind::names: return "map by name";
        case Kind::list: return "list of maps";
        case Kind::listens: return "list of addresses";
        case Kind::hosts: return "list of hosts";
        case Kind::origins: return "list of origins";
        case Kind::words: return "list of words";
        case Kind::chain: return "list of models";
        case Kind::listen: return "address";
        case Kind::name: return "name";
        case Kind::text: return "text";
        case Kind::path: return "file name";
        case Kind::url: return "URL";
        case Kind::proxy: return "`env`, `none` or URL";
        case Kind::choice: return "word";
        case Kind::flag: return "`true` or `false`";
        case Kind::number: return "number";
        case Kind::size: return "size";
        case Kind::duration: return "duration";
    }
    return "";
}

std::string type_cell(const Entry& entry) {
    if (entry.choices.empty()) return std::string(type_of(entry.kind));
    std::string text;
    for (const std::string_view word : split(entry.choices, '|')) {
        text += (text.empty() ? "`" : ", `") + std::string(word) + '`';
    }
    return text;
}

std::string default_cell(const Entry& entry) {
    if (!entry.fallback.empty()) return '`' + std::string(entry.fallback) + '`';
    if (!entry.otherwise.empty()) return std::string(entry.otherwise);
    if (entry.presence == Presence::required) return "**required**";
    if (entry.presence == Presence::one_of) return "one of these";
    if (entry.kind == Kind::names) return "`{}`";
    return "";
}

/// What is listed by name in its parent's row needs no row of its own.
bool has_row(const Entry& entry) { return entry.kind != Kind::map || !entry.path.ends_with("NAME"); }

std::string row(const Entry& entry) {
    return "| `" + entry.path + "` | " + type_cell(entry) + " | " + default_cell(entry) + " | " +
           std::string(entry.meaning) + " |\n";
}

std::string about_capabilities() {
    return R"(
`capability` stands for `resume.capability`; `{}`: nothing is known, so the first break that needs it asks
(`resume.probe`). What is found out at run time wins over the preset, what the file says wins over both. With another
path at the preset's own host (`https://api.deepseek.com/v1`) the preset's capability does not count.
)";
}

/// What the word after `preset:` brings.
std::string preset_table() {
    std::string text =
        "\n### Presets\n\n| preset | `base_url` | `auth` | `limit_scope` | `rate_limits` | `capability` |\n"
        "|---|---|---|---|---|---|\n";
    for (const Preset& preset : presets()) {
        const std::string url = preset.base_url.empty() ? "yours" : '`' + std::string(preset.base_url) + '`';
        text += "| `" + std::string(preset.name) + "` | " + url + " | `" +
                std::string(spelling_of(auth_styles(), preset.auth)) + "` | `" +
                std::string(spelling_of(limit_scopes(), preset.limit_scope)) + "` | ";
        if (preset.rate_limits.empty()) text += "`[]`";
        for (const RateLimit& limit : preset.rate_limits) {
            text += (&limit == preset.rate_limits.data() ? "`" : ", `") + format_rate_limit(limit) + '`';
        }
        text += " | `" + format_capability(preset.capability) + "` |\n";
    }
    return text + about_capabilities();
}

std::string about_chains() {
    return R"(
### How a chain is read

A chain is walked once, from its first entry to its last; the chains of the models in it are not followed, so two models
may name each other. An entry is read as if a client had asked for it:

1. An alias stands for its model.
2. `NAME/MODEL` is a model of the upstream `NAME`, if there is one of that name.
3. A name whose entry in `models` says `upstream` is a model there.
4. Anything else is a model of the upstream whose model has failed.

Full names of models contain slashes too (`openai/gpt-4o` at OpenRouter), so an unknown word before the first slash is
usually no mistake. It is one only if it is nearly the name of an upstream: `opnrouter/auto` beside an upstream
`openrouter`. Where such a name is really a model's, write its upstream before it (`openrouter/x-ai/grok-4` beside an
upstream `xai`), or give the model an entry in `models`.

Mistakes are also: the model itself, a model twice, an upstream without a model, more than 16 entries.
)";
}

struct Section {
    std::string_view title;
    std::vector<std::string_view> roots;  ///< first parts of the paths
    std::string (*further)() = nullptr;   ///< what stands below the table
};

const std::vector<Section>& sections() {
    static const std::vector<Section> all{
        {"Who may connect", {"listen", "allowed_hosts", "allowed_origins", "clients"}},
        {"Upstreams and keys", {"upstreams", "default_upstream"}, preset_table},
        {"Models", {"models", "aliases", "model_names", "fallback_on"}, about_chains},
        {"Retries", {"retry"}},
        {"Timeouts", {"timeouts"}},
        {"Streams", {"stream", "resume"}},
        {"The process", {"limits", "metrics", "log", "drain"}},
    };
    return all;
}

std::string_view root_of(const Entry& entry) {
    const std::string_view path = entry.path;
    return path.substr(0, path.find_first_of(".["));
}

std::string introduction() {
    std::string text = R"(# Configuration

<!-- Generated by `streamkeeper check --reference > docs/configuration.md`; a test fails when it is stale. -->
*This page is generated from the table that the loader itself reads: `streamkeeper check --reference`.*

One YAML file. It is looked for at `--config FILE`, `$STREAMKEEPER_CONFIG`,
`$XDG_CONFIG_HOME/streamkeeper/streamkeeper.yaml` (by default `~/.config/…`) and
`/etc/streamkeeper/streamkeeper.yaml`, in this order. `streamkeeper check` names every mistake with its line and
column, or prints what is in force with every default written out. SIGHUP loads it again; a bad file changes nothing.

## A first file

```yaml
)";
    text += first_configuration();
    text += R"(```

## How values are written

- **Durations**: `250ms`, `5s`, `10m`, `2h`; most may be `off` too, for no limit. One unit, whole numbers.
- **Sizes**: `64KiB`, `64MiB`, `1GiB`, or a number of bytes.
- **Names** of upstreams, keys and clients: letters, digits, `.`, `_` and `-`.
- **File names** are relative to the configuration file.
- A map that is given in part keeps the other defaults. A key that is not on this page is a mistake.
- A file with JSON Schema for editors is `etc/streamkeeper.schema.json` (`streamkeeper check --schema`).
)";
    return text;
}

}  // namespace

std::string_view first_configuration() {
    return R"(# streamkeeper: a first configuration. Copy it to ~/.config/streamkeeper/streamkeeper.yaml
# (or /etc/streamkeeper/streamkeeper.yaml), then:
#   streamkeeper key set apertis/payg     stores the key, readable by you alone
#   streamkeeper check                    says every mistake, or shows what is in force
#   streamkeeper serve                    tools connect to http://127.0.0.1:8817/v1
upstreams:
  apertis:
    preset: apertis                       # or t-systems, llmai, openrouter, openai, anthropic, deepseek, ollama, …
    keys:
      - {name: payg, file: keys/apertis-payg}   # relative to this file

# A second vendor: take the comments off, store its key, and keep `default_upstream`.
#  tsystems:
#    preset: t-systems
#    keys:
#      - {name: team, env: TSYSTEMS_KEY}
default_upstream: apertis

# Names that your tools use -> names that the vendor knows.
aliases:
  fast: gpt-4o-mini

# What is tried when a model fails and waiting does not help; `tsystems/NAME` would be one of the second vendor's.
#models:
#  gpt-4.1: {fallback: [claude-sonnet-4.5]}
)";
}

}  // namespace configuration

std::string config_reference_markdown() {
    using namespace configuration;
    std::string text = introduction();
    for (const Section& section : sections()) {
        text += "\n## " + std::string(section.title) + "\n\n| key | type | default | meaning |\n|---|---|---|---|\n";
        for (const Entry& entry : entries()) {
            const auto& roots = section.roots;
            const bool here = std::find(roots.begin(), roots.end(), root_of(entry)) != roots.end();
            if (here && has_row(entry)) text += row(entry);
        }
        if (section.further != nullptr) text += section.further();
    }
    return text;
}

}  // namespace streamkeeper
