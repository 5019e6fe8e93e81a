#include "llm/chunk_retelling.hpp"

#include <array>

#include "llm/event_parts.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {
namespace {

using event_parts::filled;

/// A name that says something: not null, "" or 0.
bool named(std::string_view value) { return filled(value); }

bool is_reasoning(const json::MemberCursor& at) {
    return at.is("reasoning_content") || at.is("reasoning") || at.is("reasoning_text") || at.is("thinking") ||
           at.is("reasoning_details");
}

class Writer {
public:
    explicit Writer(const ChunkEdit& edit) : edit_(edit) {}

    RetoldChunk chunk(std::string_view data) {
        out_.event = "data: ";
        object(data, [this](const json::MemberCursor& at) { top(at); });
        for (char& c : out_.event)
            if (c == '\n' || c == '\r') c = ' ';  // white space between tokens must not end the line
        out_.event += "\n\n";
        return std::move(out_);
    }

private:
    template <typename Member>
    void object(std::string_view text, Member member) {
        out_.event += '{';
        for (json::MemberCursor at{text, {}, {}}; json::next_member(at);)
            if (!at.value.empty()) member(at);
        out_.event += '}';
    }

    void name(std::string_view key) {
        if (out_.event.back() != '{') out_.event += ',';
        out_.event.append(key).append(":");
    }
    void copy(const json::MemberCursor& at) {
        name(at.key);
        out_.event += at.value;
    }
    void put(const json::MemberCursor& at, const std::string& pinned) {
        name(at.key);
        out_.event += pinned.empty() ? at.value : std::string_view(pinned);
    }

    void top(const json::MemberCursor& at) {
        if (at.is("id")) return put(at, edit_.names.id);
        if (at.is("created")) return put(at, edit_.names.created);
        if (at.is("model")) return put(at, edit_.names.model);
        if (at.is("obfuscation")) return;
        if (edit_.bare && !at.is("object") && !at.is("choices")) return;
        if (at.is("usage") && edit_.without_null_usage && at.value == "null") return;
        if (at.is("usage") && filled(at.value)) out_.empty = false;
        if (!at.is("choices") || !at.value.starts_with('[')) return copy(at);
        name(at.key);
        out_.event += '[';
        json::for_each_element(
            at.value, [](std::string_view choice, void* self) { static_cast<Writer*>(self)->choice(choice); }, this);
        out_.event += ']';
    }

    void choice(std::string_view text) {
        if (out_.event.back() != '[') out_.event += ',';
        if (!text.starts_with('{')) {
            out_.event += text;
            return;
        }
        object(text, [this](const json::MemberCursor& at) {
            if (at.is("delta") && at.value.starts_with('{')) {
                name(at.key);
                object(at.value, [this](const json::MemberCursor& inner) { delta(inner); });
            } else if (at.is("text") && at.value.starts_with('"')) {
                string(at, true);
            } else if (at.is("finish_reason") && filled(at.value)) {
                name(at.key);
                out_.event += edit_.without_finish ? std::string_view("null") : at.value;
                out_.empty = out_.empty && edit_.without_finish;
            } else {
                copy(at);
            }
        });
    }

    void delta(const json::MemberCursor& at) {
        const bool something = filled(at.value);
        if (at.is("role")) {
            if (edit_.without_role) return;
        } else if (at.is("content")) {
            return at.value.starts_with('"') ? string(at, true) : copy_payload(at, something);
        } else if (is_reasoning(at)) {
            if (edit_.without_reasoning && something) return;
            if (at.value.starts_with('"')) return string(at, false);
        } else if (at.is("tool_calls") || at.is("function_call")) {
            if (!something) return copy(at);
            if (edit_.without_calls) return;
            out_.empty = false;
            name(at.key);
            out_.event += edit_.calls.empty() ? at.value : edit_.calls;
            return;
        }
        copy_payload(at, something);
    }

    void copy_payload(const json::MemberCursor& at, bool something) {
        if (something) out_.empty = false;
        copy(at);
    }

    void string(const json::MemberCursor& at, bool is_text) {
        std::string_view inside = event_parts::bare(at.value);
        if (is_text && !inside.empty()) {
            if (edit_.without_text) inside = {};
            if (edit_.text) inside = *edit_.text;
        }
        name(at.key);
        out_.event += '"';
        if (!inside.empty()) {
            out_.text_at = out_.event.size();
            out_.empty = false;
        }
        out_.event.append(inside).append("\"");
    }

    const ChunkEdit& edit_;
    RetoldChunk out_;
};

}  // namespace

void ChunkNames::learn(const Shows& shows) {
    const auto keep = [](std::string& known, std::string_view value) {
        if (known.empty() && named(value)) known = value;
    };
    keep(id, shows.id);
    keep(created, shows.created);
    keep(model, shows.model);
}

bool ChunkNames::differ(const Shows& shows) const {
    const auto other = [](const std::string& known, std::string_view value) {
        return !known.empty() && !value.empty() && value != known;
    };
    return other(id, shows.id) || other(created, shows.created) || other(model, shows.model);
}

RetoldChunk retell_chunk(std::string_view data, const ChunkEdit& edit) { return Writer(edit).chunk(data); }

}  // namespace streamkeeper
