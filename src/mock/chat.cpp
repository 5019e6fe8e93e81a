// chat/completions, as openai-python and openai-node read it; `reasoning_content` as DeepSeek sends it.
#include <boost/json.hpp>
#include <memory>

#include "mock/endpoints.hpp"
#include "mock/reply.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

json::object usage_of(const Reply& reply) {
    return {{"prompt_tokens", reply.prompt},
            {"completion_tokens", reply.output()},
            {"total_tokens", reply.prompt + reply.output()},
            {"prompt_tokens_details", {{"cached_tokens", reply.cached}, {"audio_tokens", 0}}},
            {"completion_tokens_details", {{"reasoning_tokens", reply.reasoning}, {"audio_tokens", 0}}}};
}

std::string_view finish_of(const Reply& reply) {
    if (!reply.tool.empty()) return "tool_calls";
    return reply.cut ? "length" : "stop";
}

std::string call_id(const Reply& reply) { return reply.id("call_"); }

Answer whole(const Reply& reply) {
    json::object message{{"role", "assistant"}, {"content", reply.answer_text()}, {"refusal", nullptr}};
    if (reply.reasoning != 0) message["reasoning_content"] = reply.reasoning_text();
    if (!reply.tool.empty()) {
        message["content"] = nullptr;
        json::object call{{"id", call_id(reply)},
                          {"type", "function"},
                          {"function", {{"name", reply.tool}, {"arguments", reply.arguments_text()}}}};
        message["tool_calls"] = json::array({std::move(call)});
    }
    json::object choice{
        {"index", 0}, {"message", std::move(message)}, {"logprobs", nullptr}, {"finish_reason", finish_of(reply)}};
    json::object document{{"id", reply.id("chatcmpl-")},
                          {"object", "chat.completion"},
                          {"created", created},
                          {"model", reply.model},
                          {"choices", json::array({std::move(choice)})},
                          {"usage", usage_of(reply)},
                          {"system_fingerprint", "fp_mock"}};
    Answer answer;
    answer.body = json::serialize(document);
    return answer;
}

/// Events in order: role, reasoning, text or the call, finish, usage if asked for, `[DONE]`.
class Chunks {
public:
    Chunks(Reply reply, bool with_usage) : reply_(std::move(reply)), with_usage_(with_usage) {
        head_ = R"(data: {"id":)" + json_text(reply_.id("chatcmpl-")) +
                R"(,"object":"chat.completion.chunk","created":)" + std::to_string(created) + R"(,"model":)" +
                json_text(reply_.model) + R"(,"system_fingerprint":"fp_mock","choices":[)";
        before_ = head_ + R"({"index":0,"delta":)";
        after_ = std::string(R"(,"logprobs":null,"finish_reason":null}])") + (with_usage ? R"(,"usage":null})" : "}") +
                 "\n\n";
    }

    std::size_t count() const {
        return 1 + reply_.output() + (reply_.tool.empty() ? 0 : 1) + 1 + (with_usage_ ? 1 : 0) + 1;
    }

    bool append(std::size_t step, std::string& out) const {
        if (step == 0) return delta(out, R"({"role":"assistant","content":)" + first_content() + "}", false);
        --step;
        if (step < reply_.reasoning) return token(out, "reasoning_content", reply_.reasoning_seed(), step);
        step -= reply_.reasoning;
        if (step < reply_.text) return token(out, "content", reply_.seed, step);
        step -= reply_.text;
        if (!reply_.tool.empty()) {
            if (step <= reply_.arguments.size()) return call(out, step);
            step -= 1 + reply_.arguments.size();
        }
        close(out, with_usage_ || step == 0 ? step : step + 1);
        return false;
    }

private:
    std::string first_content() const { return reply_.tool.empty() ? R"("")" : "null"; }

    bool delta(std::string& out, std::string_view object, bool is_token) const {
        out.append(before_).append(object).append(after_);
        return is_token;
    }

    bool token(std::string& out, std::string_view kind, std::uint64_t seed, std::size_t index) const {
        out.append(before_).append(R"({")").append(kind).append(R"(":")");
        append_token(out, seed, index);
        out.append(R"("})").append(after_);
        return true;
    }

    bool call(std::string& out, std::size_t step) const {
        if (step == 0) {
            const json::object opening{{"index", 0},
                                       {"id", call_id(reply_)},
                                       {"type", "function"},
                                       {"function", {{"name", reply_.tool}, {"arguments", ""}}}};
            return delta(out, R"({"tool_calls":[)" + json::serialize(opening) + "]}", false);
        }
        const std::string piece = json_text(reply_.arguments[step - 1]);
        return delta(out, R"({"tool_calls":[{"index":0,"function":{"arguments":)" + piece + "}}]}", true);
    }

    void close(std::string& out, std::size_t step) const {
        if (step == 0) {
            out.append(before_).append(R"({},"logprobs":null,"finish_reason":")").append(finish_of(reply_));
            out.append(with_usage_ ? R"("}],"usage":null})" : R"("}]})").append("\n\n");
        } else if (step == 1) {
            out.append(head_).append(R"(],"usage":)").append(json::serialize(usage_of(reply_))).append("}\n\n");
        } else {
            out.append("data: [DONE]\n\n");
        }
    }

    Reply reply_;
    bool with_usage_;
    std::string head_, before_, after_;
};

/// True when the body is one this endpoint refuses; `refusal` then says why.
bool is_refused(const Request& request, const Document& document, Answer& refusal) {
    const auto* list = document.find("messages");
    const auto* n = document.find("n");
    if (!list || !list->is_array() || list->get_array().empty()) {
        refusal = refuse(request, 400, "Missing required parameter: 'messages'.", "missing_parameter", "messages");
    } else if (document.find("stream_options") && !document.flag("stream")) {
        refusal = refuse(request, 400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                         "invalid_parameter", "stream_options");
    } else if (n && (!n->is_int64() || n->get_int64() != 1)) {
        refusal = refuse(request, 400, "The mock gives one choice: 'n' must be 1.", "invalid_parameter", "n");
    } else {
        return false;
    }
    return true;
}

}  // namespace

Answer chat(const Request& request) {
    const Document& document = *request.document;
    if (document.refusal()) return *document.refusal();
    Answer answer;
    if (is_refused(request, document, answer)) return answer;
    std::optional<Answer> refusal;
    const Ask ask{nullptr, document.find("messages"), "max_completion_tokens", "max_tokens", false};
    Reply reply = compose(request, document, ask, refusal);
    if (refusal) return *refusal;
    if (!document.streams()) return whole(reply);
    const auto chunks = std::make_shared<const Chunks>(std::move(reply), document.wants_usage());
    answer.content_type = "text/event-stream; charset=utf-8";
    answer.events = chunks->count();
    answer.event = [chunks](std::size_t step, std::string& out) { return chunks->append(step, out); };
    return answer;
}

}  // namespace streamkeeper::mock
