#include "llm/held_calls.hpp"

#include <algorithm>

#include "llm/event_parts.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {

using event_parts::bare;
using event_parts::filled;

void HeldCalls::add(std::string_view value) {
    ++pieces_;
    bytes_ += value.size();
    if (value.starts_with('{')) {
        legacy_ = true;
        if (calls_.empty()) calls_.emplace_back();
        return add_function(calls_.front(), value);
    }
    json::for_each_element(
        value, [](std::string_view call, void* self) { static_cast<HeldCalls*>(self)->add_call(call); }, this);
}

/// Pieces of a call belong together by `index`. Where it is missing, or always 0, a new id that comes with a name
/// begins a new call (resumption_facts.md, section 5: Gemini's and Ollama's compatible interfaces).
HeldCalls::Call& HeldCalls::call_of(std::string_view index, std::string_view id, bool named) {
    const bool other_id = !id.empty() && named;
    const auto is_whole = [](const Call& call) {
        return !call.function.empty() && call.any_arguments && !json::scan(json::unquote('"' + call.arguments + '"'));
    };
    for (auto call = calls_.rbegin(); call != calls_.rend(); ++call) {
        if (!index.empty() && call->index != index) continue;
        if (other_id && !call->id.empty() && call->id != id) break;
        if (index.empty() && id.empty() && named && is_whole(*call)) break;
        return *call;
    }
    calls_.emplace_back();
    calls_.back().index = index;
    return calls_.back();
}

void HeldCalls::add_call(std::string_view text) {
    if (!text.starts_with('{')) return;
    const std::string_view index = json::find(text, "index"), id = bare(json::find(text, "id"));
    const std::string_view function = json::find(text, "function");
    Call& call = call_of(index == "null" ? std::string_view() : index, id, filled(json::find(function, "name")));
    if (call.id.empty()) call.id = id;
    for (json::MemberCursor at{text, {}, {}}; json::next_member(at);) {
        if (at.is("index") || at.value.empty()) continue;
        if (!at.is("function"))
            keep(call.members, at.key, at.value);
        else if (at.value.starts_with('{'))
            add_function(call, at.value);
    }
}

void HeldCalls::add_function(Call& call, std::string_view function) {
    for (json::MemberCursor at{function, {}, {}}; json::next_member(at);) {
        if (at.is("arguments") && at.value.starts_with('"')) {
            call.arguments.append(bare(at.value));
            call.any_arguments = true;
        } else if (!at.value.empty()) {
            keep(call.function, at.key, at.value);
        }
    }
}

/// The first value that says something stays: an id or a name that comes again is the same.
void HeldCalls::keep(Members& members, std::string_view key, std::string_view value) {
    const auto known =
        std::find_if(members.begin(), members.end(), [key](const auto& one) { return one.first == key; });
    if (known == members.end())
        members.emplace_back(key, value);
    else if (!filled(known->second))
        known->second = value;
}

std::string HeldCalls::function_text(const Call& call) {
    std::string text = "{";
    for (const auto& [key, value] : call.function)
        text.append(text.size() > 1 ? "," : "").append(key).append(":").append(value);
    if (call.any_arguments) text.append(text.size() > 1 ? "," : "").append("\"arguments\":\"" + call.arguments + "\"");
    return text + "}";
}

std::vector<std::string> HeldCalls::whole() const {
    std::vector<std::string> all;
    if (legacy_ && !calls_.empty()) return {function_text(calls_.front())};
    for (std::size_t i = 0; i < calls_.size(); ++i) {
        std::string text = "[{\"index\":" + std::to_string(i);
        for (const auto& [key, value] : calls_[i].members) text.append(",").append(key).append(":").append(value);
        all.push_back(text + ",\"function\":" + function_text(calls_[i]) + "}]");
    }
    return all;
}

}  // namespace streamkeeper
