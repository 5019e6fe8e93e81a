// Anthropic's Messages. Its usage differs from OpenAI's: input, cache reads and cache writes add up (vendors.md 4), and
// the usage of message_delta is cumulative.
#include <array>
#include <boost/json.hpp>
#include <memory>

#include "mock/endpoints.hpp"
#include "mock/reply.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

json::object usage_of(const Reply& reply, std::size_t output) {
    return {{"input_tokens", reply.prompt - reply.cached},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", reply.cached},
            {"output_tokens", output}};
}

std::string_view stop_of(const Reply& reply) {
    if (!reply.tool.empty()) return "tool_use";
    return reply.cut ? "max_tokens" : "end_turn";
}

json::object tool_block(const Reply& reply, json::value input) {
    return {{"type", "tool_use"}, {"id", reply.id("toolu_")}, {"name", reply.tool}, {"input", std::move(input)}};
}

json::object thinking_block(std::string_view thinking, std::string_view signature) {
    return {{"type", "thinking"}, {"thinking", thinking}, {"signature", signature}};
}

json::object message_of(const Reply& reply, json::array content, json::value stop, std::size_t output) {
    return {{"id", reply.id("msg_")},        {"type", "message"},
            {"role", "assistant"},           {"model", reply.model},
            {"content", std::move(content)}, {"stop_reason", std::move(stop)},
            {"stop_sequence", nullptr},      {"usage", usage_of(reply, output)}};
}

Answer whole(const Reply& reply) {
    json::array content;
    if (reply.reasoning != 0) content.push_back(thinking_block(reply.reasoning_text(), reply.id("sig_")));
    if (reply.tool.empty()) {
        content.push_back(json::object{{"type", "text"}, {"text", reply.answer_text()}});
    } else {
        content.push_back(tool_block(reply, json::parse(reply.arguments_text())));
    }
    Answer answer;
    answer.body = json::serialize(message_of(reply, std::move(content), json::value(stop_of(reply)), reply.output()));
    return answer;
}

/// Events in order: message_start, [thinking block], ping behind the first block's start, text or tool block,
/// message_delta, message_stop.
class Events {
public:
    explicit Events(Reply reply) : reply_(std::move(reply)) {}

    std::size_t count() const { return 1 + thinking_events() + 1 + block_tokens() + 1 + 1 + 2; }

    bool append(std::size_t step, std::string& out) const {
        if (step == 0) {
            return event(out, "message_start", {{"message", message_of(reply_, json::array(), nullptr, 1)}});
        }
        --step;
        if (step < thinking_events()) return thinking(out, step);
        step -= thinking_events();
        if (step < block_tokens() + 3) return block(out, step);
        if (step == block_tokens() + 3) {
            return event(out, "message_delta",
                         {{"delta", {{"stop_reason", stop_of(reply_)}, {"stop_sequence", nullptr}}},
                          {"usage", usage_of(reply_, reply_.output())}});
        }
        return event(out, "message_stop", {});
    }

private:
    bool thinks() const { return reply_.reasoning != 0; }
    std::size_t thinking_events() const { return thinks() ? reply_.reasoning + 3 : 0; }
    std::size_t block_tokens() const { return reply_.tool.empty() ? reply_.text : reply_.arguments.size(); }
    std::size_t index() const { return thinks() ? 1 : 0; }

    static bool event(std::string& out, std::string_view type, json::object fields) {
        fields["type"] = type;
        out.append("event: ").append(type).append("\ndata: ").append(json::serialize(fields)).append("\n\n");
        return false;
    }

    static bool start(std::string& out, std::size_t index, json::object block) {
        return event(out, "content_block_start", {{"index", index}, {"content_block", std::move(block)}});
    }

    static bool stop(std::string& out, std::size_t index) {
        return event(out, "content_block_stop", {{"index", index}});
    }

    /// Built by hand: it is what a benchmark sends most. `literal` is a JSON string.
    static bool delta(std::string& out, std::size_t index, std::string_view type, std::string_view key,
                      std::string_view literal) {
        out.append("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
        out.append(std::to_string(index)).append(R"(,"delta":{"type":")").append(type).append(R"(",")");
        out.append(key).append(R"(":)").append(literal).append("}}\n\n");
        return true;
    }

    bool thinking(std::string& out, std::size_t step) const {
        if (step == 0) return start(out, 0, thinking_block("", ""));
        --step;
        if (step < reply_.reasoning) {
            std::string literal(1, '"');
            append_token(literal, reply_.reasoning_seed(), step);
            return delta(out, 0, "thinking_delta", "thinking", literal + '"');
        }
        if (step > reply_.reasoning) return stop(out, 0);
        delta(out, 0, "signature_delta", "signature", json_text(reply_.id("sig_")));
        return false;
    }

    bool block(std::string& out, std::size_t step) const {
        if (step == 0) {
            if (!reply_.tool.empty()) return start(out, index(), tool_block(reply_, json::object()));
            return start(out, index(), {{"type", "text"}, {"text", ""}});
        }
        if (step == 1) return event(out, "ping", {});
        step -= 2;
        if (step == block_tokens()) return stop(out, index());
        if (!reply_.tool.empty())
            return delta(out, index(), "input_json_delta", "partial_json", json_text(reply_.arguments[step]));
        std::string literal(1, '"');
        append_token(literal, reply_.seed, step);
        return delta(out, index(), "text_delta", "text", literal + '"');
    }

    Reply reply_;
};

bool has_messages(const Document& document) {
    const auto* list = document.find("messages");
    return list && list->is_array() && !list->get_array().empty();
}

Ask ask_of(const Document& document) {
    return {document.find("system"), document.find("messages"), "max_tokens", {}, false};
}

}  // namespace

Answer messages(const Request& request) {
    const Document& document = *request.document;
    if (document.refusal()) return *document.refusal();
    if (!has_messages(document)) return refuse(request, 400, "messages: Field required");
    if (!document.find("max_tokens")) return refuse(request, 400, "max_tokens: Field required");
    std::optional<Answer> refusal;
    Reply reply = compose(request, document, ask_of(document), refusal);
    if (refusal) return *refusal;
    if (!document.streams()) return whole(reply);
    const auto events = std::make_shared<const Events>(std::move(reply));
    Answer answer;
    answer.content_type = "text/event-stream; charset=utf-8";
    answer.events = events->count();
    answer.event = [events](std::size_t step, std::string& out) { return events->append(step, out); };
    return answer;
}

Answer count_tokens(const Request& request) {
    const Document& document = *request.document;
    if (document.refusal()) return *document.refusal();
    if (!has_messages(document)) return refuse(request, 400, "messages: Field required");
    std::optional<Answer> ignored;
    const Reply reply = compose(request, document, ask_of(document), ignored);
    Answer answer;
    answer.body = json::serialize(json::object{{"input_tokens", reply.prompt}});
    return answer;
}

}  // namespace streamkeeper::mock
