// A whole message of Anthropic's Messages as the events of its stream: every block opens empty, comes in deltas, and
// closes. Blocks that have no deltas (redacted thinking, results of the vendor's own tools, what is new) open whole.

#include "llm/document_parts.hpp"

namespace streamkeeper::document_parts {
namespace {

constexpr Change message_opening[] = {
    {"content", "[]"}, {"stop_reason", "null"}, {"stop_sequence", "null"}, {"stop_details", "null"}};
constexpr Change text_opening[] = {{"text", "\"\""}, {"citations", "[]"}};
constexpr Change thinking_opening[] = {{"thinking", "\"\""}, {"signature", "\"\""}};
constexpr Change call_opening[] = {{"input", "{}"}};

/// One content block at its place in the message.
class Block {
public:
    Block(EventWriter& events, std::string_view block, std::size_t index)
        : events_(events), fields_(block), index_(index) {}

    void tell() {
        const std::string type = json::unquote(fields_.find("type"));
        if (type == "text")
            text();
        else if (type == "thinking")
            thinking();
        else if (type == "tool_use" || type == "server_tool_use")
            call();
        else
            start({});
        open("content_block_stop");
        events_.close();
    }

private:
    std::string& open(std::string_view type) {
        std::string& out = events_.open(type);
        append_member(out, "index", index_);
        return out;
    }

    void start(std::span<const Change> opening) {
        std::string& out = open("content_block_start");
        append_name(out, "content_block");
        append_object(out, fields_, opening);
        events_.close();
    }

    void delta(std::string_view type, std::string_view name, std::string_view value) {
        std::string& out = open("content_block_delta");
        append_name(out, "delta");
        out.append("{\"type\":\"").append(type).append("\"");
        append_member(out, name, value);
        out += '}';
        events_.close();
    }

    void text() {
        start(text_opening);
        const std::string_view text = fields_.find("text");
        if (has_text(text)) delta("text_delta", "text", text);
        for (const std::string_view citation : elements(fields_.find("citations"))) {
            if (events_.full()) return;
            delta("citations_delta", "citation", citation);
        }
    }

    void thinking() {
        start(thinking_opening);
        const std::string_view thinking = fields_.find("thinking"), signature = fields_.find("signature");
        if (has_text(thinking)) delta("thinking_delta", "thinking", thinking);
        if (has_text(signature)) delta("signature_delta", "signature", signature);
    }

    /// Clients put the input together from its text, and begin with nothing, whatever stands in the opening.
    void call() {
        start(call_opening);
        const std::string_view input = fields_.find("input");
        if (is_object(input)) delta("input_json_delta", "partial_json", json::quote(input));
    }

    EventWriter& events_;
    Fields fields_;
    std::size_t index_;
};

/// `members` of the document that it has, each with its own value.
void copy(std::string& out, const Fields& document, std::span<const std::string_view> names) {
    for (const std::string_view name : names)
        if (const std::string_view value = document.find(name); !value.empty()) append_member(out, name, value);
}

/// The SDKs overwrite what they know about the end with what stands here, with nothing if it is missing.
void tell_end(EventWriter& events, const Fields& document, std::string_view reason) {
    static constexpr std::string_view about_end[] = {"stop_details", "container"},
                                      beside[] = {"usage", "context_management"};
    std::string& out = events.open("message_delta");
    append_name(out, "delta");
    out += '{';
    append_member(out, "stop_reason", reason);
    const std::string_view sequence = document.find("stop_sequence");
    append_member(out, "stop_sequence", sequence.empty() ? "null" : sequence);
    copy(out, document, about_end);
    out += '}';
    copy(out, document, beside);
    events.close();
    events.open("message_stop");
    events.close();
}

}  // namespace

bool tell_message(EventWriter& events, const Fields& document) {
    const std::string_view content = document.find("content");
    if (!is_array(content)) return false;
    std::string& out = events.open("message_start");
    append_name(out, "message");
    append_object(out, document, message_opening);
    events.close();
    std::size_t index = 0;
    for (const std::string_view block : elements(content)) {
        if (!is_object(block) || events.full()) return false;
        Block(events, block, index++).tell();
    }
    // Without a reason to stop the message is not complete, and `message_stop` would say that it is.
    const std::string_view reason = document.find("stop_reason");
    if (has_text(reason)) tell_end(events, document, reason);
    return true;
}

}  // namespace streamkeeper::document_parts
