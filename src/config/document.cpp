#include "document.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>

namespace streamkeeper::configuration {
namespace {

Place place_of(const YAML::Mark& mark) { return mark.is_null() ? Place{} : Place{mark.line + 1, mark.column + 1}; }

bool is_list_of_values(Kind kind) {
    return kind == Kind::listens || kind == Kind::hosts || kind == Kind::origins || kind == Kind::words ||
           kind == Kind::chain;
}

std::string_view expectation(Kind kind) {
    if (kind == Kind::map || kind == Kind::names) return "must be a map (`key: value` lines)";
    if (kind == Kind::list) return "must be a list (`- …` lines)";
    if (is_list_of_values(kind)) return "must be a list, like `[a, b]`";
    return "must be a single value";
}

/// A shared anchor may repeat a subtree, but the table bounds the depth, so no walk is endless.
class Walk {
public:
    explicit Walk(Report& report) : report_(report) {}

    Item read(const YAML::Node& node, const Entry& entry, Place key, const std::string& name) {
        Item item{.entry = &entry, .key = key, .value = place_of(node.Mark())};
        const bool empty = node.IsNull();
        // An empty value has no place of its own.
        if (empty || item.value.line == 0) item.value = key;
        switch (entry.kind) {
            case Kind::map:
            case Kind::names:
                if (node.IsMap())
                    read_members(node, item, name);
                else if (!empty)
                    spoil(item, name, expectation(entry.kind));
                return item;
            case Kind::list:
                if (node.IsSequence())
                    read_maps(node, item, name);
                else if (!empty)
                    spoil(item, name, expectation(entry.kind));
                return item;
            default: break;
        }
        if (is_list_of_values(entry.kind)) {
            if (node.IsSequence())
                read_values(node, item, name);
            else
                spoil(item, name, expectation(entry.kind));
            return item;
        }
        read_value(node, item, name);
        return item;
    }

    void read_members(const YAML::Node& node, Item& item, const std::string& name) {
        for (const auto& pair : node) {
            const Place key = place_of(pair.first.Mark());
            if (!pair.first.IsScalar()) {
                report_.mistake(key, quoted(name) + " has a key that is no text");
                continue;
            }
            const std::string& word = pair.first.Scalar();
            const std::string full = name.empty() ? word : name + '.' + word;
            if (const Item* first = item.find(word)) {
                report_.mistake(
                    key, quoted(full) + " is given twice; it first stands in line " + std::to_string(first->key.line));
                continue;
            }
            if (const Entry* entry = child(item, word)) {
                item.members.emplace_back(word, read(pair.second, *entry, key, full));
            } else {
                report_.mistake(key, quoted(full) + ' ' + unknown_key(pattern_of(item), word));
            }
        }
        check_presence(item, name);
    }

private:
    static std::string quoted(const std::string& name) { return name.empty() ? "the file" : '`' + name + '`'; }

    void spoil(Item& item, const std::string& name, std::string_view why) {
        item.good = false;
        report_.mistake(item.value, quoted(name) + ' ' + std::string(why));
    }

    static std::string pattern_of(const Item& item) {
        if (item.entry == nullptr) return {};
        return item.entry->kind == Kind::list ? item.entry->path + "[]" : item.entry->path;
    }

    static const Entry* child(const Item& item, const std::string& word) {
        const std::string path = pattern_of(item);
        if (item.entry != nullptr && item.entry->kind == Kind::names) return find_entry(path + ".NAME");
        // `NAME` in the table stands for the user's words, it is none of them.
        if (word == "NAME" || word.find_first_of(".[") != word.npos) return nullptr;
        return find_entry(path.empty() ? word : path + '.' + word);
    }

    static std::string example_of(const Item& list) {
        return "`{" + std::string(children(pattern_of(list)).front()->leaf()) + ": …}`";
    }

    void read_maps(const YAML::Node& node, Item& item, const std::string& name) {
        for (const YAML::Node& each : node) {
            const std::string own = name + '[' + std::to_string(item.elements.size()) + ']';
            const Place place = place_of(each.Mark());
            Item element{.entry = item.entry, .key = place, .value = place};
            if (each.IsMap())
                read_members(each, element, own);
            else
                spoil(element, own, "must be a map, like " + example_of(item));
            item.elements.push_back(std::move(element));
        }
    }

    void read_values(const YAML::Node& node, Item& item, const std::string& name) {
        for (const YAML::Node& each : node) {
            const Place place = place_of(each.Mark());
            Item element{.entry = item.entry, .key = place, .value = place};
            read_value(each, element, name + '[' + std::to_string(item.elements.size()) + ']');
            item.good = item.good && element.good;
            item.elements.push_back(std::move(element));
        }
        if (item.elements.empty() && (item.entry->kind == Kind::words || item.entry->kind == Kind::listens)) {
            spoil(item, name, "must have at least one element");
        }
        const auto most = static_cast<std::size_t>(item.entry->highest);
        if (item.elements.size() > most) {
            report_.mistake(item.elements[most].value, quoted(name) + " has " + std::to_string(item.elements.size()) +
                                                           " elements; " + std::to_string(most) + " are the most");
        }
    }

    void read_value(const YAML::Node& node, Item& item, const std::string& name) {
        if (node.IsNull()) return spoil(item, name, "has no value");
        if (!node.IsScalar()) {
            const bool address = item.entry->kind == Kind::listens || item.entry->kind == Kind::listen;
            return spoil(
                item, name,
                address ? "must be one address; an IPv6 one needs quotes: `\"[::1]:8817\"`" : expectation(Kind::text));
        }
        item.text = node.Scalar();
        if (const std::string why = refusal(*item.entry, item.text); !why.empty()) spoil(item, name, why);
    }

    void check_presence(Item& item, const std::string& name) {
        if (item.entry != nullptr && item.entry->kind == Kind::names) return;
        std::string choices;
        int chosen = 0;
        for (const Entry* entry : children(pattern_of(item))) {
            const bool there = item.find(entry->leaf()) != nullptr;
            if (entry->presence == Presence::required && !there) {
                const Place place = item.entry == nullptr ? Place{1, 1} : item.value;
                report_.mistake(place, quoted(name) + " lacks `" + std::string(entry->leaf()) + "`");
            }
            if (entry->presence != Presence::one_of) continue;
            choices += (choices.empty() ? "`" : ", `") + std::string(entry->leaf()) + '`';
            chosen += there ? 1 : 0;
        }
        if (choices.empty() || chosen == 1) return;
        item.good = false;
        report_.mistake(item.value, quoted(name) + " must have exactly one of " + choices);
    }

    Report& report_;
};

}  // namespace

void Report::mistake(Place place, std::string message) {
    // Keys of the file stand in messages, and a message must not command the terminal.
    for (char& c : message) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    mistakes.push_back({file, place.line, place.column, std::move(message)});
}

const Item* Item::find(std::string_view name) const {
    const auto found =
        std::find_if(members.begin(), members.end(), [&](const auto& each) { return each.first == name; });
    return found == members.end() ? nullptr : &found->second;
}

const Item* Scope::good(std::string_view key) const {
    const Item* found = item_ == nullptr ? nullptr : item_->find(key);
    return found != nullptr && found->good ? found : nullptr;
}

std::string Scope::text(std::string_view key) const {
    if (const Item* own = good(key)) return own->text;
    const Entry* entry = find_entry(path_.empty() ? std::string(key) : path_ + '.' + std::string(key));
    return entry == nullptr ? std::string() : std::string(entry->fallback);
}

std::vector<std::string> Scope::texts(std::string_view key) const {
    std::vector<std::string> all;
    if (const Item* own = good(key)) {
        for (const Item& element : own->elements) all.push_back(element.text);
        return all;
    }
    // The defaults of lists are YAML themselves.
    for (const YAML::Node& each : YAML::Load(text(key))) all.push_back(each.Scalar());
    return all;
}

Scope Scope::map(std::string_view key) const {
    return {good(key), path_.empty() ? std::string(key) : path_ + '.' + std::string(key)};
}

Place Scope::place(std::string_view key) const {
    if (item_ == nullptr) return {};
    if (const Item* own = item_->find(key)) return own->value;
    return item_->key;
}

Item read_document(const std::string& text, Report& report) {
    Item root{.key = {1, 1}, .value = {1, 1}};
    try {
        // yaml-cpp 0.7 takes a quote that is still open after the last newline as closed; a comment behind it can't be.
        const std::vector<YAML::Node> documents = YAML::LoadAll(text + "\n#");
        if (documents.size() > 1) {
            report.mistake(place_of(documents[1].Mark()), "the file has a second YAML document; only one is read");
        }
        const YAML::Node node = documents.empty() ? YAML::Node(YAML::NodeType::Map) : documents.front();
        if (node.IsMap() || node.IsNull()) {
            Walk(report).read_members(node.IsMap() ? node : YAML::Node(YAML::NodeType::Map), root, "");
        } else {
            root.good = false;
            report.mistake(place_of(node.Mark()), "the file must be a map (`key: value` lines)");
        }
    } catch (const YAML::Exception& error) {
        root.good = false;
        report.mistake(place_of(error.mark), "YAML syntax: " + error.msg);
    }
    return root;
}

}  // namespace streamkeeper::configuration
