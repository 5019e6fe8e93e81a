// The probe: a turn cut in the middle of a word, which only an open turn goes on with (resumption.md, "Probe").
#include <functional>

#include "policy/probe_kind.hpp"
#include "streamkeeper/continuation.hpp"

namespace streamkeeper {

namespace {

constexpr std::string_view task = "Repeat exactly, nothing else: alpha bravo charlie delta echo";
constexpr std::string_view beginning = "alpha bravo char", rest = "lie";

bool is_tools_member(const json::MemberCursor& member) {
    return member.is("tools") || member.is("tool_choice") || member.is("functions") || member.is("function_call");
}

std::string object_of(std::string_view members) { return "{" + std::string(members) + "}"; }

/// The text of `element` if it is a text part.
std::string_view text_of(std::string_view element) {
    if (!element.starts_with('{') || json::unquote(json::find(element, "type")) != "text") return {};
    return json::find(element, "text");
}

/// A string, or the first text part of a list (Mistral's content is one when it has thought).
std::string_view first_text(std::string_view content) {
    if (!content.starts_with('[')) return content;
    std::string_view text;
    json::for_each_element(
        content,
        [](std::string_view element, void* context) {
            auto& found = *static_cast<std::string_view*>(context);
            if (found.empty()) found = text_of(element);
        },
        &text);
    return text;
}

std::string_view first_element(std::string_view array) {
    std::string_view first;
    if (!array.starts_with('[')) return first;
    json::for_each_element(
        array,
        [](std::string_view element, void* context) {
            auto& found = *static_cast<std::string_view*>(context);
            if (found.empty()) found = element;
        },
        &first);
    return first;
}

std::string_view member_of(std::string_view value, std::string_view name) {
    return value.starts_with('{') ? json::find(value, name) : std::string_view();
}

}  // namespace

std::string probe_kind(Endpoint endpoint, std::string_view probe_members) {
    constexpr std::size_t longest = 64;
    std::string kind(endpoint_label(endpoint));
    const std::string object = object_of(probe_members);
    for (json::MemberCursor at{object, {}, {}}; json::next_member(at);) {
        kind.append(" ").append(at.key.substr(1, at.key.size() - 2));
        if (at.is("tools") || at.is("functions")) continue;
        kind.append("=");
        if (at.value.size() <= longest)
            kind.append(at.value);
        else
            kind.append("#").append(std::to_string(std::hash<std::string_view>()(at.value)));
    }
    return kind;
}

bool sets_reasoning(std::string_view probe_members) {
    const std::string object = object_of(probe_members);
    for (json::MemberCursor at{object, {}, {}}; json::next_member(at);)
        if (!is_tools_member(at)) return true;
    return false;
}

std::string probe_body(Endpoint endpoint, std::string_view model, Prefill prefill, std::string_view members) {
    if (endpoint == Endpoint::completions)
        return R"({"model":)" + json::quote(model) + R"(,"prompt":)" +
               json::quote(std::string(task) + "\n\n###\n" + std::string(beginning)) +
               R"(,"max_tokens":8,"temperature":0)" + (members.empty() ? "" : ",") + std::string(members) + "}";
    std::string body = R"({"model":)" + json::quote(model) + R"(,"messages":[{"role":"user","content":)";
    body.append(json::quote(task)).append(R"(},{"role":"assistant","content":)").append(json::quote(beginning));
    const bool chat = endpoint == Endpoint::chat_completions;
    if (chat && prefill == Prefill::prefix) body.append(R"(,"prefix":true)");
    if (chat && prefill == Prefill::partial) body.append(R"(,"partial":true)");
    body.append(R"(}],"max_tokens":8)");
    if (!sets_reasoning(members)) body.append(R"(,"temperature":0)");  // models that reason refuse it
    if (chat && prefill == Prefill::continue_final_message)
        body.append(R"(,"continue_final_message":true,"add_generation_prompt":false)");
    if (!members.empty()) body.append(",").append(members);
    return body.append("}");
}

std::optional<Seam> read_probe(Endpoint endpoint, std::string_view document, bool echoes) {
    if (json::scan(document)) return std::nullopt;
    document.remove_prefix(document.find_first_not_of(" \t\r\n"));
    const std::string_view content =
        endpoint == Endpoint::messages
            ? member_of(document, "content")
            : member_of(member_of(first_element(member_of(document, "choices")), "message"), "content");
    const std::string_view completed = member_of(first_element(member_of(document, "choices")), "text");
    const std::string text = json::unquote(endpoint == Endpoint::completions ? completed : first_text(content));
    if (text.starts_with(rest)) return Seam::exact;
    if (echoes && text.starts_with(beginning)) return Seam::echo;
    return std::nullopt;
}

}  // namespace streamkeeper
