#include "llm/event_parts.hpp"

#include "http/byte_scan.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper::event_parts {
namespace {

std::size_t skip_space(std::string_view text, std::size_t at) {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')) ++at;
    return at;
}

std::size_t position(std::string_view text, std::string_view needle, std::size_t from) {
    if (from >= text.size()) return text.npos;
    const char* end = text.data() + text.size();
    const char* found = byte_scan::find(text.data() + from, end, needle);
    return found == end ? text.npos : static_cast<std::size_t>(found - text.data());
}

}  // namespace

std::string_view next_value(std::string_view data, std::string_view quoted, std::size_t& at) {
    while (at < data.size() && (at = position(data, quoted, at)) != data.npos) {
        at += quoted.size();
        const std::size_t colon = skip_space(data, at);
        if (colon == data.size() || data[colon] != ':') continue;
        at = skip_space(data, colon + 1);
        return data.substr(at);
    }
    return {};
}

bool has_value(std::string_view data, std::string_view quoted) {
    std::size_t at = 0;
    for (std::string_view value; !(value = next_value(data, quoted, at)).empty();)
        if (value.front() != 'n') return true;
    return false;
}

bool filled(std::string_view value) {
    if (value.empty()) return false;
    switch (value.front()) {
        case 'n':
        case 'f': return false;
        case '"': return value.size() > 1 && value[1] != '"';
        case '[': return value[skip_space(value, 1) % value.size()] != ']';
        case '{': return value[skip_space(value, 1) % value.size()] != '}';
        default: return value != "0";
    }
}

std::string_view bare(std::string_view value) {
    return value.size() < 2 || value.front() != '"' ? std::string_view() : value.substr(1, value.size() - 2);
}

bool error_in(const sse::Event& event) {
    if (event.name == "error" || !event.error.empty()) return true;
    const std::string_view data = event.data;
    if (position(data, "\"error\"", 0) == data.npos) return false;
    const std::string_view error = json::find(data, "error");
    if (filled(error)) return true;
    // Cerebras names the status beside an error that may say nothing.
    if (!error.empty() && error.front() == '{' && filled(json::find(data, "status_code"))) return true;
    if (json::find(data, "type") == "\"error\"" || json::find(data, "object") == "\"error\"") return true;  // vLLM
    if (filled(json::find(json::find(data, "x_groq"), "error"))) return true;
    return any_element(json::find(data, "choices"),
                       [](std::string_view choice) { return filled(json::find(choice, "error")); });
}

bool is_done(std::string_view data) { return data.substr(skip_space(data, 0)).starts_with("[DONE]"); }

bool any_element(std::string_view array, bool (*test)(std::string_view element)) {
    struct Search {
        bool (*test)(std::string_view);
        bool found = false;
    } search{test};
    json::for_each_element(
        array,
        [](std::string_view element, void* context) {
            auto& wanted = *static_cast<Search*>(context);
            wanted.found = wanted.found || wanted.test(element);
        },
        &search);
    return search.found;
}

std::string one_line(std::string_view error_json) {
    std::string line(error_json);
    for (char& c : line)
        if (c == '\n' || c == '\r') c = ' ';
    return line;
}

std::string_view inner_error(std::string_view error_json) {
    const std::string_view inner = json::find(error_json, "error");
    return inner.empty() || inner.front() != '{' ? error_json : inner;
}

std::string wrapped_error(std::string_view error_json) {
    if (!json::find(error_json, "error").empty()) return one_line(error_json);
    return "{\"error\":" + one_line(error_json) + "}";
}

}  // namespace streamkeeper::event_parts
