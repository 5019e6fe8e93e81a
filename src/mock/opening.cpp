#include "mock/opening.hpp"

#include <boost/json.hpp>

#include "mock/reply.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::string_view marker = "\n\n###\n";
constexpr std::string_view repeat_order = "Repeat exactly, nothing else: ";

const json::value* member(const json::value& value, std::string_view key) {
    const auto* object = value.if_object();
    return object ? object->if_contains(key) : nullptr;
}

bool is_true(const json::value* value) { return value && value->is_bool() && value->get_bool(); }

bool has_role(const json::value& message, std::string_view role) {
    const auto* own = member(message, "role");
    return own && own->is_string() && own->get_string() == role;
}

/// A string, or the text parts of a list; none when there is anything else in it.
std::optional<std::string> text_of(const json::value* content) {
    if (!content || content->is_null()) return std::string();
    if (const auto* text = content->if_string()) return std::string(*text);
    const auto* parts = content->if_array();
    if (!parts) return std::nullopt;
    std::string joined;
    for (const auto& part : *parts) {
        const auto* type = member(part, "type");
        const auto* text = member(part, "text");
        if (type && type->is_string() && type->get_string() == "thinking") continue;
        if (!text || !text->is_string()) return std::nullopt;
        joined += text->get_string();
    }
    return joined;
}

std::optional<std::string> repeat_of(std::string_view text) {
    if (!text.starts_with(repeat_order)) return std::nullopt;
    return std::string(text.substr(repeat_order.size()));
}

/// A trailing assistant message that is only text; one that calls tools is a turn of its own.
void read_last_message(Opening& opening) {
    const json::value& last = opening.messages->back();
    if (!has_role(last, "assistant")) return;
    const auto* calls = member(last, "tool_calls");
    if (calls && calls->is_array() && !calls->get_array().empty()) return;
    opening.prefix = text_of(member(last, "content"));
    if (!opening.prefix) return;
    --opening.count;
    opening.flagged_prefix = is_true(member(last, "prefix"));
    opening.flagged_partial = is_true(member(last, "partial"));
}

void read_prompt(Opening& opening, const Ask& ask) {
    const auto* prompt = ask.conversation->if_string();
    if (!prompt) return;
    const std::string_view text(*prompt);
    const std::size_t at = text.rfind(marker);
    if (ask.prefix == PrefixPlace::behind_marker && at != text.npos) {
        opening.prompt = text.substr(0, at + marker.size());
        opening.prefix = std::string(text.substr(at + marker.size()));
        opening.repeat = repeat_of(text.substr(0, at));
    } else {
        opening.repeat = repeat_of(text);
    }
}

}  // namespace

Ask ask_of(std::string_view path, const Document& document) {
    Ask ask;
    if (path.ends_with("/chat/completions")) {
        ask = {nullptr, document.find("messages"), "max_completion_tokens", "max_tokens",
               "stop",  PrefixPlace::last_message};
    } else if (path.ends_with("/completions")) {
        ask = {nullptr, document.find("prompt"), "max_tokens", {}, "stop", PrefixPlace::behind_marker, true};
    } else if (path.ends_with("/responses")) {
        ask = {document.find("instructions"), document.find("input"), "max_output_tokens", {}, {}};
    } else {
        ask = {document.find("system"), document.find("messages"), "max_tokens", {},
               "stop_sequences",        PrefixPlace::last_message};
    }
    return ask;
}

bool Opening::has(PrefixFlag flag) const {
    switch (flag) {
        case PrefixFlag::prefix: return flagged_prefix;
        case PrefixFlag::partial: return flagged_partial;
        case PrefixFlag::continue_final_message: return flagged_continue;
        default: return true;
    }
}

Opening opening_of(const Document& document, const Ask& ask) {
    Opening opening;
    if (!ask.conversation) return opening;
    opening.messages = ask.conversation->if_array();
    opening.flagged_continue = document.flag("continue_final_message");
    if (!opening.messages) {
        read_prompt(opening, ask);
        return opening;
    }
    opening.count = opening.messages->size();
    if (ask.prefix == PrefixPlace::last_message && opening.count != 0) read_last_message(opening);
    if (opening.count == 0) return opening;
    const json::value& asking = (*opening.messages)[opening.count - 1];
    if (!has_role(asking, "user")) return opening;
    if (const auto text = text_of(member(asking, "content"))) opening.repeat = repeat_of(*text);
    return opening;
}

void read_conversation(Reading& reading, const Ask& ask, const Opening& opening) {
    if (!ask.conversation) return;
    if (!opening.prefix) return reading.add(*ask.conversation);
    if (opening.messages) {
        for (std::size_t i = 0; i < opening.count; ++i) reading.add((*opening.messages)[i]);
    } else {
        reading.add(json::value(opening.prompt));
    }
    Reading prefix;
    prefix.add(json::value(*opening.prefix));
    reading.words += prefix.words;
}

}  // namespace streamkeeper::mock
