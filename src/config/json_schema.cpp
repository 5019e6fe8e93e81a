// The JSON Schema (2020-12), written from the table.
#include <boost/json.hpp>

#include "schema.hpp"
#include "streamkeeper/config.hpp"

namespace streamkeeper {
namespace configuration {
namespace {

namespace json = boost::json;

boost::core::string_view view(std::string_view text) { return {text.data(), text.size()}; }

std::string_view pattern_of(Kind kind) {
    switch (kind) {
        case Kind::name: return "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$";
        case Kind::duration: return "^(off|[0-9]+(ms|s|m|h))$";
        case Kind::size: return "^[0-9]+(KiB|MiB|GiB)?$";
        case Kind::url: return "^https?://";
        case Kind::proxy: return "^(env|none|http://.+)$";
        case Kind::chain: return "^[^/](.*[^/])?$";
        case Kind::listens: return "^(unix:/.+|.+:[0-9]+)$";
        case Kind::listen: return "^(same|unix:/.+|.+:[0-9]+)$";
        default: return {};
    }
}

json::object schema_of_value(const Entry& entry) {
    json::object schema{{"type", "string"}};
    const bool endless = entry.kind != Kind::duration || !entry.bounded();
    const std::string_view pattern = endless ? pattern_of(entry.kind) : "^[0-9]+(ms|s|m|h)$";
    if (!pattern.empty()) schema["pattern"] = view(pattern);
    if (entry.kind == Kind::choice) {
        json::array words;
        for (const std::string_view word : split(entry.choices, '|')) words.emplace_back(view(word));
        schema["enum"] = std::move(words);
    } else if (entry.kind == Kind::flag) {
        schema["type"] = "boolean";
    } else if (entry.kind == Kind::number || entry.kind == Kind::size) {
        schema["type"] = entry.kind == Kind::number ? json::value("integer") : json::value{"integer", "string"};
        schema["minimum"] = entry.lowest;
        schema["maximum"] = entry.highest;
    } else if (pattern.empty() && entry.kind != Kind::words) {
        schema["minLength"] = 1;
    }
    return schema;
}

json::value default_of(const Entry& entry) {
    switch (entry.kind) {
        case Kind::flag:
        case Kind::number:
        case Kind::listens:
        case Kind::hosts:
        case Kind::chain:
        case Kind::origins: return json::parse(view(entry.fallback));  // these spell their defaults as JSON would
        default: return json::value(view(entry.fallback));
    }
}

json::object schema_of(const Entry& entry);

json::object schema_of_map(std::string_view path) {
    json::object properties;
    json::array required, choices;
    for (const Entry* entry : children(path)) {
        properties[view(entry->leaf())] = schema_of(*entry);
        if (entry->presence == Presence::required) required.emplace_back(view(entry->leaf()));
        if (entry->presence == Presence::one_of) {
            choices.emplace_back(json::object{{"required", json::array{view(entry->leaf())}}});
        }
    }
    json::object schema{{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
    if (!required.empty()) schema["required"] = std::move(required);
    if (!choices.empty()) schema["oneOf"] = std::move(choices);
    return schema;
}

json::object schema_of_names(const Entry& entry) {
    json::object schema{{"type", "object"}, {"additionalProperties", schema_of(*find_entry(entry.path + ".NAME"))}};
    if (entry.path == "upstreams") {
        schema["minProperties"] = 1;
        schema["propertyNames"] = json::object{{"pattern", view(pattern_of(Kind::name))}};
    }
    return schema;
}

json::object schema_of_kind(const Entry& entry) {
    switch (entry.kind) {
        case Kind::map: return schema_of_map(entry.path);
        case Kind::names: return schema_of_names(entry);
        case Kind::list: return {{"type", "array"}, {"items", schema_of_map(entry.path + "[]")}};
        case Kind::listens:
        case Kind::words: return {{"type", "array"}, {"items", schema_of_value(entry)}, {"minItems", 1}};
        case Kind::hosts:
        case Kind::origins: return {{"type", "array"}, {"items", schema_of_value(entry)}};
        case Kind::chain:
            return {{"type", "array"},
                    {"items", schema_of_value(entry)},
                    {"maxItems", entry.highest},
                    {"uniqueItems", true}};
        default: return schema_of_value(entry);
    }
}

json::object schema_of(const Entry& entry) {
    json::object schema = schema_of_kind(entry);
    // The loader takes an empty map or list (`keys:` and nothing) as one without entries.
    if (entry.kind == Kind::map || entry.kind == Kind::list || entry.kind == Kind::names) {
        schema["type"] = json::array{schema["type"], "null"};
    }
    if (!entry.meaning.empty()) schema["description"] = view(entry.meaning);
    if (!entry.fallback.empty()) schema["default"] = default_of(entry);
    return schema;
}

/// Boost.JSON writes one line; people and diffs want more.
void print(const json::value& value, std::string& text, const std::string& indent) {
    const std::string deeper = indent + "  ";
    const char* separator = "\n";
    if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
        text += '{';
        for (const auto& member : *object) {
            text += separator + deeper + json::serialize(json::string(member.key())) + ": ";
            print(member.value(), text, deeper);
            separator = ",\n";
        }
        text += '\n' + indent + '}';
    } else if (const auto* array = value.if_array();
               array != nullptr && !array->empty() && array->front().is_object()) {
        text += '[';
        for (const auto& element : *array) {
            text += separator + deeper;
            print(element, text, deeper);
            separator = ",\n";
        }
        text += '\n' + indent + ']';
    } else {
        text += json::serialize(value);
    }
}

}  // namespace
}  // namespace configuration

std::string config_schema_json() {
    using namespace configuration;
    json::object schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                        {"title", "streamkeeper configuration"},
                        {"description", "Generated by `streamkeeper check --schema`; a test fails when it is stale."}};
    for (auto& member : schema_of_map("")) schema[member.key()] = member.value();
    std::string text;
    print(schema, text, "");
    return text + '\n';
}

}  // namespace streamkeeper
