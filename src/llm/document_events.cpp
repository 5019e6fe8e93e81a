#include "streamkeeper/document_events.hpp"

#include <algorithm>

#include "llm/document_parts.hpp"

namespace streamkeeper {
namespace document_parts {
namespace {

/// A response's text stands in five of its events, everything else in three; the rest is for documents of tiny parts.
constexpr std::size_t proportion = 16, allowance = 64u << 10;

const Change* change_of(const json::MemberCursor& member, std::span<const Change> changes) {
    for (const Change& change : changes) {
        if (!member.is(change.name)) continue;
        const bool fits = change.value.empty() || change.value == "null" || change.value[0] == member.value[0];
        return fits ? &change : nullptr;
    }
    return nullptr;
}

}  // namespace

Fields::Fields(std::string_view object) {
    for (json::MemberCursor at{object, {}, {}}; json::next_member(at);)
        if (!at.value.empty()) members_.push_back(at);
}

std::string_view Fields::find(std::string_view name) const {
    for (auto member = members_.rbegin(); member != members_.rend(); ++member)
        if (member->is(name)) return member->value;
    return {};
}

std::vector<std::string_view> elements(std::string_view array) {
    std::vector<std::string_view> found;
    json::for_each_element(
        array,
        [](std::string_view element, void* context) {
            static_cast<std::vector<std::string_view>*>(context)->push_back(element);
        },
        &found);
    return found;
}

void append_name(std::string& out, std::string_view name) {
    if (out.back() != '{') out += ',';
    out.append("\"").append(name).append("\":");
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
    append_name(out, name);
    out += value;
}

void append_member(std::string& out, std::string_view name, std::size_t value) {
    append_name(out, name);
    out += std::to_string(value);
}

void append_members(std::string& out, const Fields& fields, std::span<const Change> changes) {
    for (const json::MemberCursor& member : fields.members()) {
        const Change* change = change_of(member, changes);
        if (change != nullptr && change->value.empty()) continue;
        if (out.back() != '{') out += ',';
        out.append(member.key).append(":").append(change != nullptr ? change->value : member.value);
    }
}

void append_object(std::string& out, const Fields& fields, std::span<const Change> changes) {
    out += '{';
    append_members(out, fields, changes);
    out += '}';
}

EventWriter::EventWriter(std::size_t document_bytes) : limit_(proportion * document_bytes + allowance) {
    text_.reserve(document_bytes + document_bytes / 8 + 1024);
}

std::string& EventWriter::open(std::string_view type) {
    if (!type.empty()) text_.append("event: ").append(type).append("\n");
    text_ += "data: ";
    data_ = text_.size();
    text_ += '{';
    if (!type.empty()) text_.append("\"type\":\"").append(type).append("\"");
    return text_;
}

void EventWriter::close() {
    const auto is_line_end = [](char c) { return c == '\n' || c == '\r'; };
    std::replace_if(text_.begin() + static_cast<std::ptrdiff_t>(data_), text_.end(), is_line_end, ' ');
    text_ += "}\n\n";
}

}  // namespace document_parts

std::optional<std::string> events_of(Endpoint endpoint, std::string_view document, bool with_usage) {
    using namespace document_parts;
    constexpr std::string_view blank = " \t\r\n";
    document.remove_prefix(std::min(document.find_first_not_of(blank), document.size()));
    document = document.substr(0, document.find_last_not_of(blank) + 1);
    const Fields fields(document);
    EventWriter events(document.size());
    bool told = false;
    switch (endpoint) {
        case Endpoint::chat_completions: told = tell_chat(events, fields, with_usage); break;
        case Endpoint::completions: told = tell_completion(events, fields, with_usage); break;
        case Endpoint::responses: told = tell_response(events, fields, document); break;
        case Endpoint::messages: told = tell_message(events, fields); break;
        case Endpoint::embeddings:
        case Endpoint::models:
        case Endpoint::other: break;
    }
    if (!told || events.full()) return std::nullopt;
    return events.take();
}

}  // namespace streamkeeper
