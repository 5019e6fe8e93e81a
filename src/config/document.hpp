/// A YAML file as a tree that the table has already judged: known keys, right kinds, no duplicates.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema.hpp"
#include "streamkeeper/config.hpp"

namespace streamkeeper::configuration {

struct Place {
    int line = 0, column = 0;  ///< from 1; 0 where there is none
};

/// Collects all that is to be said of one file.
struct Report {
    std::string file;
    std::vector<ConfigMistake> mistakes;
    std::vector<std::string> notes;

    void mistake(Place place, std::string message);
};

struct Item {
    const Entry* entry = nullptr;
    Place key, value;    ///< where its key stands (a list's element: as `value`), its value
    bool good = true;    ///< false: a mistake was reported, its value says nothing
    std::string text{};  ///< of a single value
    std::vector<std::pair<std::string, Item>> members{};  ///< of a map, in the file's order
    std::vector<Item> elements{};                         ///< of a list

    const Item* find(std::string_view name) const;
};

/// A map of the file (or none, where the file leaves it out) and the table's defaults behind it.
class Scope {
public:
    Scope(const Item* item, std::string path) : item_(item), path_(std::move(path)) {}

    const Item* item() const { return item_; }
    /// The member if the file has it and it is no mistake.
    const Item* good(std::string_view key) const;
    /// Did the file write it, rightly or not?
    bool written(std::string_view key) const { return item_ != nullptr && item_->find(key) != nullptr; }
    /// The file's text, else the default's.
    std::string text(std::string_view key) const;
    /// The same for a list of single values.
    std::vector<std::string> texts(std::string_view key) const;
    Scope map(std::string_view key) const;
    /// Where to point at for `key`: its value, else the map's own key.
    Place place(std::string_view key) const;

private:
    const Item* item_;
    std::string path_;
};

/// Every mistake goes to `report`; after a syntax error the root is empty and not good.
Item read_document(const std::string& text, Report& report);

}  // namespace streamkeeper::configuration
