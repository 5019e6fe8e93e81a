#include "llm/typed_retelling.hpp"

#include <algorithm>

#include "llm/event_parts.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {

namespace {

void begin(std::string& out, const sse::Event& event) {
    std::string_view name = event.name;
    if (name.empty()) name = event_parts::bare(json::find(event.data, "type"));
    if (!name.empty()) out.append("event: ").append(name).append("\n");
    out += "data: ";
}

void end(std::string& out, std::size_t data) {
    std::replace_if(
        out.begin() + static_cast<std::ptrdiff_t>(data), out.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    out += "\n\n";
}

/// The members of an object, each through `write(out, member)`.
template <typename Write>
void object(std::string& out, std::string_view text, Write write) {
    out += '{';
    for (json::MemberCursor at{text, {}, {}}; json::next_member(at);) {
        if (at.value.empty()) continue;
        if (out.back() != '{') out += ',';
        out.append(at.key).append(":");
        write(out, at);
    }
    out += '}';
}

/// Replaces every string that is one of the ids. An id is a value of its own and has no escapes, so bytes decide.
void rename(std::string& text, std::span<const std::pair<std::string, std::string>> renamed) {
    for (const auto& [from, to] : renamed) {
        const std::string theirs = '"' + from + '"', ours = '"' + to + '"';
        for (std::size_t at = 0; (at = text.find(theirs, at)) != text.npos; at += ours.size())
            text.replace(at, theirs.size(), ours);
    }
}

}  // namespace

std::string with_index(const sse::Event& event, int number) {
    std::string out;
    begin(out, event);
    const std::size_t data = out.size();
    object(out, event.data, [number](std::string& to, const json::MemberCursor& at) {
        if (at.is("index"))
            to += std::to_string(number);
        else
            to += at.value;
    });
    end(out, data);
    return out;
}

std::string text_delta(int number, std::string_view words) {
    return "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":" + std::to_string(number) +
           ",\"delta\":{\"type\":\"text_delta\",\"text\":\"" + std::string(words) + "\"}}\n\n";
}

std::string retell_item(const sse::Event& event, const ItemEdit& edit) {
    std::string out;
    begin(out, event);
    const std::size_t data = out.size();
    object(out, event.data, [&edit](std::string& to, const json::MemberCursor& at) {
        if (at.is("sequence_number") && edit.sequence >= 0) {
            to += std::to_string(edit.sequence);
        } else if (at.is("delta") && edit.other_words) {
            to.append("\"").append(edit.words).append("\"");
        } else if (at.is("response") && at.value.starts_with('{') && !edit.created_at.empty()) {
            object(to, at.value, [&edit](std::string& inner, const json::MemberCursor& member) {
                inner += member.is("created_at") ? edit.created_at : member.value;
            });
        } else {
            to += at.value;
        }
    });
    rename(out, edit.renamed);
    end(out, data);
    return out;
}

std::size_t inside_at(std::string_view retold, std::string_view inside) {
    const std::string quoted = '"' + std::string(inside) + '"';
    const std::size_t at = retold.find(quoted);
    if (at == retold.npos || retold.find(quoted, at + 1) != retold.npos) return 0;
    return at + 1;
}

}  // namespace streamkeeper
