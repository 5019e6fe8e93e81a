/// The accepted keys, declared once. Validation, defaults, `check`, the JSON Schema and the reference page read this.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace streamkeeper::configuration {

enum class Kind {
    map,       ///< fixed keys: the entries below this path
    names,     ///< keys chosen by the user: the entries below `PATH.NAME`
    list,      ///< maps: the entries below `PATH[]`
    listens,   ///< a list of listen addresses
    hosts,     ///< a list of host names
    origins,   ///< a list of web origins
    words,     ///< a list of words: a program and its arguments
    chain,     ///< a list of models, `highest` at most
    listen,    ///< `same` or one listen address
    name,      ///< a name as `is_name` allows it
    text,      ///< any text that is not empty
    path,      ///< a file name, relative to the configuration file
    url,       ///< an absolute http(s) URL
    proxy,     ///< `env`, `none` or `http://host:port`
    choice,    ///< one of `choices`
    flag,      ///< `true` or `false`
    number,    ///< a whole number within the range
    size,      ///< bytes within the range; `64KiB`
    duration,  ///< longer than the range's lowest (ms); `off` unless there is a highest
};

enum class Presence {
    optional,
    required,
    one_of,  ///< exactly one of the entries of this map that are marked so
};

struct Entry {
    std::string path{};  ///< `upstreams.NAME.keys[].file`
    Kind kind = Kind::text;
    std::string_view fallback{};  ///< the default as the file would spell it; empty if there is none
    std::string_view meaning{};   ///< one or two sentences, Markdown
    std::string_view choices{};   ///< `a|b|c`
    std::int64_t lowest = 0;
    std::int64_t highest = std::numeric_limits<std::int64_t>::max();
    Presence presence = Presence::optional;
    std::string_view otherwise{};    ///< what holds without the key, if that is no fixed default
    std::string_view since = "0.1";  ///< the version that first accepted it

    std::string_view leaf() const;  ///< the last part of the path
    bool bounded() const { return highest != std::numeric_limits<std::int64_t>::max(); }
};

std::span<const Entry> entries();
const Entry* find_entry(std::string_view path);
/// The entries directly below a map: `children("limits")`; of the whole file: `children("")`.
std::vector<const Entry*> children(std::string_view path);

std::vector<std::string_view> split(std::string_view text, char separator);

/// Why `text` is no value of `entry`, for people; empty if it is one.
std::string refusal(const Entry& entry, std::string_view text);

/// What to say of a key that `path` (a pattern) does not have.
std::string unknown_key(std::string_view path, std::string_view key);

/// The candidate that a person most likely meant, empty if none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

/// A short first configuration; etc/streamkeeper.yaml.example and the reference page show it.
std::string_view first_configuration();

}  // namespace streamkeeper::configuration
