#include "mock/tool_call.hpp"

#include <boost/json.hpp>

#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::size_t piece_bytes = 6;

const json::value* member(const json::value* value, std::string_view key) {
    const auto* object = value ? value->if_object() : nullptr;
    return object ? object->if_contains(key) : nullptr;
}

std::string_view string_member(const json::value* value, std::string_view key) {
    const auto* found = member(value, key);
    return found && found->is_string() ? std::string_view(found->get_string()) : std::string_view();
}

/// What the caller's tool_choice comes down to in every dialect.
struct Choice {
    bool forced = false;
    bool forbidden = false;
    std::string_view name;
};

Choice read_choice(const json::value* choice) {
    if (!choice) return {};
    if (const auto* word = choice->if_string()) return {*word == "required", *word == "none", {}};
    const std::string_view type = string_member(choice, "type");
    const auto* function = member(choice, "function");
    const std::string_view name = string_member(function ? function : choice, "name");
    return {type == "any" || type == "tool" || type == "function", type == "none", name};
}

/// The chat dialect wraps a tool in `function`, the others do not.
const json::value* declaration(const json::value& tool) {
    const auto* function = member(&tool, "function");
    return function ? function : &tool;
}

const json::value* pick(const json::array& tools, std::string_view name) {
    for (const auto& tool : tools) {
        const auto* found = declaration(tool);
        const std::string_view own = string_member(found, "name");
        if (!own.empty() && (name.empty() || own == name)) return found;
    }
    return nullptr;
}

bool says_tool(const json::value* content) {
    if (!content) return false;
    if (const auto* words = content->if_string()) return std::string_view(*words).find("tool") != std::string::npos;
    const auto* parts = content->if_array();
    if (!parts) return false;
    for (const auto& part : *parts)
        if (string_member(&part, "text").find("tool") != std::string_view::npos) return true;
    return false;
}

bool asked_by_user(const Opening& opening, const json::value* conversation) {
    if (!conversation) return false;
    if (!opening.messages) return says_tool(conversation);
    if (opening.count == 0) return false;
    const json::value& last = (*opening.messages)[opening.count - 1];
    return string_member(&last, "role") == "user" && says_tool(member(&last, "content"));
}

json::value sample(const json::value& schema, std::uint64_t seed, std::size_t index) {
    const auto* choices = member(&schema, "enum");
    if (choices && choices->is_array() && !choices->get_array().empty()) return choices->get_array().front();
    const std::string_view type = string_member(&schema, "type");
    if (type == "integer" || type == "number") return static_cast<std::int64_t>(other_seed(seed, index) % 100);
    if (type == "boolean") return true;
    if (type == "array") return json::array();
    if (type == "object") return json::object();
    return json::value(std::string(word(seed, index)) + " " + std::string(word(seed, index + 1)));
}

std::string sample_arguments(const json::value* tool, std::uint64_t seed) {
    const auto* schema = member(tool, "parameters");
    if (!schema) schema = member(tool, "input_schema");
    const auto* properties = member(schema, "properties");
    json::object arguments;
    if (properties && properties->is_object())
        for (const auto& [name, property] : properties->get_object())
            arguments[name] = sample(property, seed, 2 * arguments.size());
    return json::serialize(arguments);
}

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = std::min(at + piece_bytes, text.size());
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) ++end;
        pieces.push_back(text.substr(at, end - at));
        at = end;
    }
    return pieces;
}

}  // namespace

std::string ToolCall::arguments_text() const {
    std::string joined;
    for (const auto& piece : arguments) joined += piece;
    return joined;
}

CallPiece piece_in_turn(const std::vector<ToolCall>& calls, std::size_t number) {
    for (std::size_t round = 0;; ++round) {
        bool any = false;
        for (std::size_t i = 0; i < calls.size(); ++i) {
            if (round >= calls[i].arguments.size()) continue;
            if (number-- == 0) return {i, round};
            any = true;
        }
        if (!any) return {};
    }
}

ToolCall choose_tool(const json::value* tools, const json::value* choice, const Opening& opening,
                     const json::value* conversation, std::uint64_t seed) {
    const auto* list = tools ? tools->if_array() : nullptr;
    const Choice wish = read_choice(choice);
    if (!list || wish.forbidden || (!wish.forced && !asked_by_user(opening, conversation))) return {};
    const auto* tool = pick(*list, wish.name);
    if (!tool) return {};
    return {std::string(string_member(tool, "name")), split(sample_arguments(tool, seed))};
}

}  // namespace streamkeeper::mock
