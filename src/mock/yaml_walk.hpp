/// Reading YAML (and so JSON) with the place of every mistake.
#pragma once

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/document.hpp"

namespace streamkeeper::mock {

using configuration::Place;
using configuration::Report;

/// `fallback` where the node has no place of its own (an empty value).
Place place_of(const YAML::Node&, Place fallback = {});

/// One value of the file: its node, where it stands, and what to call it.
struct Spot {
    YAML::Node node;
    Place place;
    std::string name;

    Spot element(std::size_t index) const;
};

using Members = std::vector<std::pair<std::string_view, std::function<void(const Spot&)>>>;

/// Calls each member's function; unknown keys, doubled keys and what is no map are mistakes.
void read_map(const Spot&, const Members&, Report&);
/// Calls it for every element; what is no list is a mistake.
void read_list(const Spot&, const std::function<void(const Spot&)>&, Report&);

std::optional<std::string> read_text(const Spot&, Report&);
std::optional<std::uint64_t> read_number(const Spot&, std::uint64_t lowest, Report&);
std::optional<std::chrono::milliseconds> read_duration(const Spot&, Report&);
std::optional<bool> read_flag(const Spot&, Report&);
/// One text, or a list of them.
std::vector<std::string> read_texts(const Spot&, Report&);

/// The value as JSON text: maps and lists as such, plain scalars by what they look like, quoted ones as strings.
std::string json_of(const Spot&, Report&);

}  // namespace streamkeeper::mock
