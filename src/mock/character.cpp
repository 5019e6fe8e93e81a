#include "mock/character.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace streamkeeper::mock {
namespace {

constexpr std::array manners{
    std::pair<std::string_view, PrefixManner>{"exact", PrefixManner::exact},
    std::pair<std::string_view, PrefixManner>{"trim", PrefixManner::trim},
    std::pair<std::string_view, PrefixManner>{"echo", PrefixManner::echo},
    std::pair<std::string_view, PrefixManner>{"closed", PrefixManner::closed},
    std::pair<std::string_view, PrefixManner>{"newpara", PrefixManner::newpara},
    std::pair<std::string_view, PrefixManner>{"preamble", PrefixManner::preamble},
    std::pair<std::string_view, PrefixManner>{"reject400", PrefixManner::reject},
    std::pair<std::string_view, PrefixManner>{"ws400", PrefixManner::reject_space},
    std::pair<std::string_view, PrefixManner>{"token_sensitive", PrefixManner::token_sensitive},
    std::pair<std::string_view, PrefixManner>{"grammar_reset", PrefixManner::grammar_reset},
    std::pair<std::string_view, PrefixManner>{"tool_prose", PrefixManner::tool_prose},
};

constexpr std::array flags{
    std::pair<std::string_view, bool Character::*>{"rethink", &Character::rethink},
    std::pair<std::string_view, bool Character::*>{"model_swap", &Character::model_swap},
    std::pair<std::string_view, bool Character::*>{"never_finish", &Character::never_finish},
    std::pair<std::string_view, bool Character::*>{"role_every", &Character::role_every},
    std::pair<std::string_view, bool Character::*>{"fresh_ids", &Character::fresh_ids},
    std::pair<std::string_view, bool Character::*>{"text_then_tool", &Character::text_then_tool},
    std::pair<std::string_view, bool Character::*>{"tools_after_text", &Character::text_then_tool},
    std::pair<std::string_view, bool Character::*>{"two_calls", &Character::two_calls},
};

constexpr std::array shapes{
    std::pair<std::string_view, TextShape>{"words", TextShape::words},
    std::pair<std::string_view, TextShape>{"prose", TextShape::prose},
    std::pair<std::string_view, TextShape>{"chinese", TextShape::chinese},
    std::pair<std::string_view, TextShape>{"code", TextShape::code},
    std::pair<std::string_view, TextShape>{"repetitive", TextShape::repetitive},
    std::pair<std::string_view, TextShape>{"yaml", TextShape::yaml},
    std::pair<std::string_view, TextShape>{"emoji", TextShape::emoji},
    std::pair<std::string_view, TextShape>{"json", TextShape::json},
};

constexpr std::size_t usual_drift = 40;

template <class Entry, std::size_t size>
const Entry* find_in(const std::array<Entry, size>& table, std::string_view name) {
    const auto it = std::find_if(table.begin(), table.end(), [&](const Entry& each) { return each.first == name; });
    return it == table.end() ? nullptr : &*it;
}

template <class Value>
void take(std::optional<Value>& own, const std::optional<Value>& stronger) {
    if (stronger) own = stronger;
}

}  // namespace

void Character::merge(const Character& stronger) {
    take(text, stronger.text);
    take(manner, stronger.manner);
    take(needs, stronger.needs);
    take(tokens, stronger.tokens);
    take(reasoning, stronger.reasoning);
    take(drift, stronger.drift);
    ascii = ascii || stronger.ascii;
    split_pairs = split_pairs || stronger.split_pairs;
    for (const auto& [name, flag] : flags) this->*flag = this->*flag || stronger.*flag;
}

bool set_character(Character& character, std::string_view name) {
    if (const auto* manner = find_in(manners, name)) {
        character.manner = manner->second;
    } else if (const auto* flag = find_in(flags, name)) {
        character.*(flag->second) = true;
    } else if (name == "drift") {
        character.drift = usual_drift;
    } else {
        return false;
    }
    return true;
}

std::vector<std::string_view> character_names() {
    std::vector<std::string_view> names{"drift"};
    for (const auto& each : manners) names.push_back(each.first);
    for (const auto& each : flags) names.push_back(each.first);
    return names;
}

std::optional<TextShape> text_shape(std::string_view word) {
    const auto* found = find_in(shapes, word);
    return found ? std::optional(found->second) : std::nullopt;
}

}  // namespace streamkeeper::mock
