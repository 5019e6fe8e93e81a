// A whole response of OpenAI's Responses as the events of its stream: each item is added empty, comes in deltas and is
// done; the last event has the document. What an item or a part of an unknown kind does on its way is not known, so it
// is added whole.
#include <algorithm>

#include "llm/document_parts.hpp"

namespace streamkeeper::document_parts {
namespace {

constexpr Change response_opening[] = {
    {"status", "\"in_progress\""},  {"output", "[]"},  {"output_text", "\"\""}, {"usage", "null"},
    {"incomplete_details", "null"}, {"error", "null"}, {"completed_at", "null"}};

constexpr Change message_opening[] = {{"status", "\"in_progress\""}, {"content", "[]"}};
constexpr Change reasoning_opening[] = {{"status", "\"in_progress\""}, {"summary", "[]"}, {"content", "[]"}};
constexpr Change function_opening[] = {{"status", "\"in_progress\""}, {"arguments", "\"\""}};
constexpr Change custom_opening[] = {{"status", "\"in_progress\""}, {"input", "\"\""}};
constexpr Change mcp_opening[] = {
    {"status", "\"in_progress\""}, {"arguments", "\"\""}, {"output", "null"}, {"error", "null"}};
constexpr Change code_opening[] = {{"status", "\"in_progress\""}, {"code", "\"\""}, {"outputs", "null"}};
constexpr Change image_opening[] = {{"status", "\"in_progress\""}, {"result", "null"}};

/// An item's kind: how it opens, and which of its members comes in deltas of which event.
struct ItemKind {
    std::string_view type;
    std::span<const Change> opening;
    std::string_view grows, event;
};

constexpr ItemKind item_kinds[] = {
    {"message", message_opening, {}, {}},
    {"reasoning", reasoning_opening, {}, {}},
    {"function_call", function_opening, "arguments", "response.function_call_arguments"},
    {"custom_tool_call", custom_opening, "input", "response.custom_tool_call_input"},
    {"mcp_call", mcp_opening, "arguments", "response.mcp_call_arguments"},
    {"code_interpreter_call", code_opening, "code", "response.code_interpreter_call_code"},
    {"image_generation_call", image_opening, {}, {}},
};

constexpr Change output_text_opening[] = {{"text", "\"\""}, {"annotations", "[]"}, {"logprobs", "[]"}};
constexpr Change text_opening[] = {{"text", "\"\""}};
constexpr Change refusal_opening[] = {{"refusal", "\"\""}};

/// A part's kind, likewise.
struct PartKind {
    std::string_view type;
    std::span<const Change> opening;
    std::string_view grows, event;
    bool with_logprobs = false;
};

constexpr PartKind content_kinds[] = {
    {"output_text", output_text_opening, "text", "response.output_text", true},
    {"refusal", refusal_opening, "refusal", "response.refusal"},
    {"reasoning_text", text_opening, "text", "response.reasoning_text"},
};
constexpr PartKind summary_kinds[] = {
    {"summary_text", text_opening, "text", "response.reasoning_summary_text"},
};

constexpr ItemKind unknown_item{};
constexpr PartKind unknown_part{};

template <class Kind>
const Kind& kind_of(std::span<const Kind> kinds, const Kind& unknown, const Fields& fields) {
    const std::string type = json::unquote(fields.find("type"));
    const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const Kind& known) { return known.type == type; });
    return kind == kinds.end() ? unknown : *kind;
}

/// Where the parts of an item stand, what they may be, and what the events around them are called.
struct PartList {
    std::string_view member, index, added, done;
    std::span<const PartKind> kinds;
};
constexpr PartList content_list{"content", "content_index", "response.content_part.added", "response.content_part.done",
                                content_kinds};
constexpr PartList summary_list{"summary", "summary_index", "response.reasoning_summary_part.added",
                                "response.reasoning_summary_part.done", summary_kinds};

class Telling {
public:
    explicit Telling(EventWriter& events) : events_(events) {}

    void response(std::string_view type, const Fields& document) {
        append_name(open(type), "response");
        append_object(*out_, document, response_opening);
        events_.close();
    }

    void end(std::string_view type, std::string_view document) { whole(open(type), "response", document); }

    bool item(std::string_view text, std::size_t output_index) {
        const Fields fields(text);
        const ItemKind& kind = kind_of<ItemKind>(item_kinds, unknown_item, fields);
        const std::string_view id = fields.find("id");
        id_ = is_string(id) ? id : "\"\"";
        output_index_ = output_index;
        append_member(open("response.output_item.added"), "output_index", output_index);
        append_name(*out_, "item");
        append_object(*out_, fields, kind.opening);
        events_.close();
        if (kind.type == "reasoning" && !parts(fields, summary_list)) return false;
        if ((kind.type == "reasoning" || kind.type == "message") && !parts(fields, content_list)) return false;
        if (!kind.grows.empty()) grow(kind.event, kind.grows, fields.find(kind.grows), {}, {});
        append_member(open("response.output_item.done"), "output_index", output_index);
        whole(*out_, "item", text);
        return true;
    }

private:
    std::string& open(std::string_view type) {
        out_ = &events_.open(type);
        append_member(*out_, "sequence_number", sequence_++);
        return *out_;
    }

    void whole(std::string& out, std::string_view name, std::string_view value) {
        append_member(out, name, value);
        events_.close();
    }

    /// Opens an event of the current item, or of the part at `place`.
    std::string& open_inside(std::string_view type, std::string_view place) {
        append_member(open(type), "item_id", id_);
        append_member(*out_, "output_index", output_index_);
        return out_->append(place);
    }

    bool parts(const Fields& item, const PartList& list) {
        std::size_t index = 0;
        for (const std::string_view text : elements(item.find(list.member))) {
            if (!is_object(text) || events_.full()) return false;
            const std::string place = ",\"" + std::string(list.index) + "\":" + std::to_string(index++);
            part(text, list, place);
        }
        return true;
    }

    void part(std::string_view text, const PartList& list, std::string_view place) {
        const Fields fields(text);
        const PartKind& kind = kind_of(list.kinds, unknown_part, fields);
        append_name(open_inside(list.added, place), "part");
        append_object(*out_, fields, kind.opening);
        events_.close();
        std::string_view logprobs;
        if (kind.with_logprobs) logprobs = is_array(fields.find("logprobs")) ? fields.find("logprobs") : "[]";
        if (!kind.grows.empty()) grow(kind.event, kind.grows, fields.find(kind.grows), place, logprobs);
        if (kind.with_logprobs) annotations(fields.find("annotations"), place);
        whole(open_inside(list.done, place), "part", text);
    }

    /// One delta with all of it, unless it is empty, and what it has become. openai-python and AI SDK want the log
    /// probabilities of a text even where there are none.
    void grow(std::string_view event, std::string_view name, std::string_view value, std::string_view place,
              std::string_view logprobs) {
        if (!is_string(value)) return;
        if (has_text(value)) {
            append_member(open_inside(std::string(event) + ".delta", place), "delta", value);
            if (!logprobs.empty()) append_member(*out_, "logprobs", logprobs);
            events_.close();
        }
        append_member(open_inside(std::string(event) + ".done", place), name, value);
        if (!logprobs.empty()) append_member(*out_, "logprobs", logprobs);
        events_.close();
    }

    void annotations(std::string_view array, std::string_view place) {
        std::size_t index = 0;
        for (const std::string_view annotation : elements(array)) {
            if (events_.full()) return;
            append_member(open_inside("response.output_text.annotation.added", place), "annotation_index", index++);
            whole(*out_, "annotation", annotation);
        }
    }

    EventWriter& events_;
    std::string* out_ = nullptr;  ///< the data of the open event
    std::string_view id_;         ///< the current item's, as JSON
    std::size_t output_index_ = 0, sequence_ = 0;
};

/// The event that ends the stream of a response with this status; empty if it has not ended.
std::string_view end_of(std::string_view status) {
    if (status == "completed") return "response.completed";
    if (status == "incomplete") return "response.incomplete";
    if (status == "failed") return "response.failed";
    if (status == "cancelled") return "response.cancelled";
    return {};
}

}  // namespace

/// A response that is still queued or in progress, or does not say, is no answer yet but a report on one: its end would
/// have to be invented, and showing the beginning of what cannot be completed would only spoil the retry.
bool tell_response(EventWriter& events, const Fields& document, std::string_view whole) {
    const std::string_view end = end_of(json::unquote(document.find("status")));
    const std::string_view output = document.find("output");
    if (end.empty()) return false;
    if (!is_array(output) && end != "response.failed") return false;
    Telling telling(events);
    telling.response("response.created", document);
    telling.response("response.in_progress", document);
    std::size_t index = 0;
    for (const std::string_view item : elements(output))
        if (!is_object(item) || events.full() || !telling.item(item, index++)) return false;
    telling.end(end, whole);
    return true;
}

}  // namespace streamkeeper::document_parts
