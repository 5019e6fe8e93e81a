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
    if (!reply.calls.empty()) return "tool_use";
    if (!reply.stopped_by.empty()) return "stop_sequence";
    return reply.cut ? "max_tokens" : "end_turn";
}

json::value stop_sequence_of(const Reply& reply) {
    return reply.calls.empty() && !reply.stopped_by.empty() ? json::value(reply.stopped_by) : json::value(nullptr);
}

json::object tool_block(const Reply& reply, std::size_t call, json::value input) {
    return {{"type", "tool_use"},
            {"id", reply.id("toolu_", call)},
            {"name", reply.calls[call].name},
            {"input", std::move(input)}};
}

json::object thinking_block(std::string_view thinking, std::string_view signature) {
    return {{"type", "thinking"}, {"thinking", thinking}, {"signature", signature}};
}

json::object message_of(const Reply& reply, json::array content, json::value stop, std::size_t output) {
    json::value sequence = stop.is_null() ? json::value(nullptr) : stop_sequence_of(reply);
    return {{"id", reply.id("msg_")},        {"type", "message"},
            {"role", "assistant"},           {"model", reply.model},
            {"content", std::move(content)}, {"stop_reason", std::move(stop)},
            {"stop_sequence", sequence},     {"usage", usage_of(reply, output)}};
}

Answer whole(const Reply& reply) {
    json::array content;
    if (reply.reasoning != 0) content.push_back(thinking_block(reply.reasoning_text(), reply.id("sig_")));
    if (!reply.is_call()) content.push_back(json::object{{"type", "text"}, {"text", reply.answer_text()}});
    for (std::size_t i = 0; i < reply.calls.size(); ++i)
        content.push_back(tool_block(reply, i, json::parse(reply.calls[i].arguments_text())));
    json::value stop = reply.finishes ? json::value(stop_of(reply)) : json::value(nullptr);
    Answer answer;
    answer.body = json::serialize(message_of(reply, std::move(content), std::move(stop), reply.output()));
    return answer;
}

/// Events in order: message_start, [thinking block], ping behind the first other block's start, the text's block and
/// those of the calls, message_delta, message_stop.
class Events {
public:
    explicit Events(Reply reply) : reply_(std::move(reply)) {
        if (!reply_.is_call()) blocks_.push_back({text_block, reply_.text.size()});
        for (std::size_t i = 0; i < reply_.calls.size(); ++i) blocks_.push_back({i, reply_.calls[i].arguments.size()});
    }

    std::size_t count() const {
        std::size_t events = 1 + thinking_events() + 1 + (reply_.finishes ? 1 : 0) + 1;
        for (const Block& each : blocks_) events += each.tokens + 2;
        return events;
    }

    bool append(std::size_t step, std::string& out) const {
        if (step + 1 == count()) return event(out, "message_stop", {});
        if (step == 0) {
            return event(out, "message_start", {{"message", message_of(reply_, json::array(), nullptr, 1)}});
        }
        --step;
        if (step < thinking_events()) return thinking(out, step);
        step -= thinking_events();
        if (step == 1) return event(out, "ping", {});
        if (step > 1) --step;
        for (std::size_t i = 0; i < blocks_.size(); ++i) {
            if (step < blocks_[i].tokens + 2) return block(out, i, step);
            step -= blocks_[i].tokens + 2;
        }
        return event(out, "message_delta",
                     {{"delta", {{"stop_reason", stop_of(reply_)}, {"stop_sequence", stop_sequence_of(reply_)}}},
                      {"usage", usage_of(reply_, reply_.output())}});
    }

private:
    static constexpr std::size_t text_block = static_cast<std::size_t>(-1);
    struct Block {
        std::size_t call;  ///< its number, or text_block
        std::size_t tokens;
    };

    bool thinks() const { return reply_.reasoning != 0; }
    std::size_t thinking_events() const { return thinks() ? reply_.reasoning + 3 : 0; }
    std::size_t index(std::size_t number) const { return number + (thinks() ? 1 : 0); }

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

    bool block(std::string& out, std::size_t number, std::size_t step) const {
        const auto [call, tokens] = blocks_[number];
        if (step == 0) {
            if (call != text_block) return start(out, index(number), tool_block(reply_, call, json::object()));
            return start(out, index(number), {{"type", "text"}, {"text", ""}});
        }
        --step;
        if (step == tokens) return stop(out, index(number));
        if (call != text_block)
            return delta(out, index(number), "input_json_delta", "partial_json",
                         json_text(reply_.calls[call].arguments[step]));
        std::string literal(1, '"');
        reply_.text.append(literal, step);
        return delta(out, index(number), "text_delta", "text", literal + '"');
    }

    Reply reply_;
    std::vector<Block> blocks_;
};

bool has_messages(const Document& document) {
    const auto* list = document.find("messages");
    return list && list->is_array() && !list->get_array().empty();
}

}  // namespace

Answer messages(const Request& request) {
    const Document& document = *request.document;
    if (document.refusal()) return *document.refusal();
    if (!has_messages(document)) return refuse(request, 400, "messages: Field required");
    if (!document.find("max_tokens")) return refuse(request, 400, "max_tokens: Field required");
    std::optional<Answer> refusal;
    Reply reply = compose(request, document, ask_of(request.path, document), refusal);
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
    const Reply reply = compose(request, document, ask_of(request.path, document), ignored);
    Answer answer;
    answer.body = json::serialize(json::object{{"input_tokens", reply.prompt}});
    return answer;
}

}  // namespace streamkeeper::mock
