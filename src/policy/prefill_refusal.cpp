// Refusals of an open turn. The request was accepted before the assistant's message was added, so that words which
// speak of it are enough. Texts: resumption_facts.md, section 2.
#include <algorithm>
#include <boost/json.hpp>
#include <cctype>

#include "streamkeeper/continuation.hpp"

namespace streamkeeper {

namespace {

std::string lower(std::string_view text) {
    constexpr std::size_t searched = 2048;  // a longer message echoes what was sent
    std::string result(text.substr(0, searched));
    for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    std::erase(result, '`');
    return result;
}

bool has_any(std::string_view text, std::initializer_list<std::string_view> phrases) {
    return std::any_of(phrases.begin(), phrases.end(),
                       [text](std::string_view phrase) { return text.find(phrase) != text.npos; });
}

bool is_word_at(std::string_view text, std::size_t at, std::size_t size) {
    const auto letter = [text](std::size_t i) {
        return i < text.size() && (std::isalnum(static_cast<unsigned char>(text[i])) != 0 || text[i] == '_');
    };
    return (at == 0 || !letter(at - 1)) && !letter(at + size);
}

bool has_word(std::string_view text, std::string_view word) {
    for (std::size_t at = 0; (at = text.find(word, at)) != text.npos; ++at)
        if (is_word_at(text, at, word.size())) return true;
    return false;
}

/// What FastAPI's list says of members: their path and the complaint. `input` echoes the request.
void gather(const boost::json::value& value, std::string& text, int depth = 0) {
    if (depth > 8) return;
    if (value.is_string()) text.append(" ").append(lower(std::string_view(value.get_string())));
    if (value.is_array())
        for (const boost::json::value& element : value.get_array()) gather(element, text, depth + 1);
    if (!value.is_object()) return;
    for (const auto& [name, inner] : value.get_object())
        if (name != "input" && name != "ctx") gather(inner, text, depth + 1);
}

std::string words_of(const VendorError& error) {
    std::string text = lower(error.message);
    for (const std::string* part : {&error.code, &error.type, &error.param, &error.error_type})
        text.append(" ").append(lower(*part));
    boost::json::error_code bad;
    const boost::json::value details = boost::json::parse(error.details, bad);
    if (!bad) gather(details, text);
    return text;
}

bool speaks_of_flag(std::string_view text) {
    if (has_any(text, {"continue_final_message", "add_generation_prompt"})) return true;
    if (!has_word(text, "prefix") && !has_word(text, "partial")) return false;
    return has_any(text, {"not supported", "unsupported", "not permitted", "not allowed", "unexpected", "unrecognized",
                          "unknown", "not available", "not support", "only support", "extra", "invalid", "beta"});
}

bool speaks_of_last_message(std::string_view text) {
    return has_any(text, {"last message", "last role", "last turn", "final message", "final turn", "final role",
                          "last user message", "end with a user", "ends with a user", "end with user",
                          "last non-system message", "assistant message", "assistant turn", "substring not found"});
}

bool speaks_of_roles(std::string_view text) {
    if (!has_word(text, "role") && !has_word(text, "roles")) return false;
    return has_any(text, {"alternat", "assistant", "last", "expected", "must be", "order", "valid role", "invalid role",
                          "consecutive"});
}

}  // namespace

bool refuses_prefill(const VendorError& error) {
    if (error.eff_status != 400 && error.eff_status != 422) return false;
    const std::string text = words_of(error);
    // Says what this text may not end with, not that it may not be there.
    if (has_any(text, {"trailing whitespace", "trailing white space"})) return false;
    return has_any(text, {"prefill", "pre-fill", "response prefix"}) || speaks_of_flag(text) ||
           speaks_of_last_message(text) || speaks_of_roles(text);
}

}  // namespace streamkeeper
