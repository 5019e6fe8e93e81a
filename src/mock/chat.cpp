// chat/completions, as openai-python and openai-node read it; `reasoning_content` as DeepSeek sends it.
#include <boost/json.hpp>
#include <memory>

#include "mock/endpoints.hpp"
#include "mock/reply.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::int64_t most_choices = 4;

json::object usage_of(const std::vector<Reply>& replies) {
    const Reply& first = replies.front();
    std::size_t output = 0, reasoning = 0;
    for (const Reply& reply : replies) {
        output += reply.output();
        reasoning += reply.reasoning;
    }
    return {{"prompt_tokens", first.prompt},
            {"completion_tokens", output},
            {"total_tokens", first.prompt + output},
            {"prompt_tokens_details", {{"cached_tokens", first.cached}, {"audio_tokens", 0}}},
            {"completion_tokens_details", {{"reasoning_tokens", reasoning}, {"audio_tokens", 0}}}};
}

std::string_view finish_of(const Reply& reply) {
    if (!reply.calls.empty()) return "tool_calls";
    return reply.cut ? "length" : "stop";
}

std::string call_id(const Reply& reply, std::size_t index) { return reply.id("call_", index); }

json::object logprob_of(const Reply& reply, std::size_t index) {
    const std::string token = reply.text.token(index);
    json::array bytes;
    for (const unsigned char byte : token) bytes.push_back(static_cast<std::int64_t>(byte));
    return {{"token", token},
            {"logprob", logprob(reply.seed, index)},
            {"bytes", std::move(bytes)},
            {"top_logprobs", json::array()}};
}

json::value logprobs_of(const Reply& reply) {
    json::array content;
    for (std::size_t i = 0; i < reply.text.size(); ++i) content.push_back(logprob_of(reply, i));
    return json::object{{"content", std::move(content)}, {"refusal", nullptr}};
}

json::object choice_of(const Reply& reply, std::size_t index, bool logprobs) {
    json::object message{{"role", "assistant"}, {"content", reply.answer_text()}, {"refusal", nullptr}};
    if (reply.reasoning != 0) message["reasoning_content"] = reply.reasoning_text();
    if (reply.is_call()) message["content"] = nullptr;
    json::array calls;
    for (std::size_t i = 0; i < reply.calls.size(); ++i)
        calls.push_back(json::object{
            {"id", call_id(reply, i)},
            {"type", "function"},
            {"function", {{"name", reply.calls[i].name}, {"arguments", reply.calls[i].arguments_text()}}}});
    if (!calls.empty()) message["tool_calls"] = std::move(calls);
    json::object choice{
        {"index", index}, {"message", std::move(message)}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
    if (logprobs && reply.text.size() != 0) choice["logprobs"] = logprobs_of(reply);
    if (reply.finishes) choice["finish_reason"] = finish_of(reply);
    return choice;
}

Answer whole(const std::vector<Reply>& replies, bool logprobs) {
    json::array choices;
    for (std::size_t i = 0; i < replies.size(); ++i) choices.push_back(choice_of(replies[i], i, logprobs));
    json::object document{
        {"id", replies[0].id("chatcmpl-")}, {"object", "chat.completion"},   {"created", created},
        {"model", replies[0].model},        {"choices", std::move(choices)}, {"usage", usage_of(replies)},
        {"system_fingerprint", "fp_mock"}};
    Answer answer;
    answer.body = json::serialize(document);
    return answer;
}

/// Events of a choice in order: role, reasoning, text, calls, finish. Choices take turns; behind them come usage if it
/// was asked for, and `[DONE]`.
class Chunks {
public:
    Chunks(std::vector<Reply> replies, bool with_usage, bool logprobs)
        : replies_(std::move(replies)), with_usage_(with_usage), logprobs_(logprobs) {
        if (replies_.size() > 1) take_turns();
        events_ = replies_.size() > 1 ? turns_.size() : count_of(replies_[0]);
        tail_ = std::string("]") + (with_usage ? R"(,"usage":null})" : "}") + "\n\n";
        head_ = head(0);
    }

    std::size_t count() const { return events_ + (with_usage_ ? 1 : 0) + 1; }

    bool append(std::size_t step, std::string& out) const {
        if (step >= events_) return close(out, step);
        const Turn turn = turns_.empty() ? Turn{0, step} : turns_[step];
        const Reply& reply = replies_[turn.choice];
        out.append(reply.fresh_ids ? head(step + 1) : head_);
        out.append(R"({"index":)").append(std::to_string(turn.choice)).append(R"(,"delta":)");
        return event(out, reply, turn.step);
    }

private:
    struct Turn {
        std::size_t choice, step;
    };

    static std::size_t count_of(const Reply& reply) {
        return 1 + reply.output() + reply.calls.size() + (reply.finishes ? 1 : 0);
    }

    void take_turns() {
        bool any = true;
        for (std::size_t step = 0; any; ++step) {
            any = false;
            for (std::size_t i = 0; i < replies_.size(); ++i) {
                if (step >= count_of(replies_[i])) continue;
                turns_.push_back({i, step});
                any = true;
            }
        }
    }

    /// Up to the choices. The official object has one id and one time; `fresh` ones are a vendor's mistake.
    std::string head(std::size_t fresh) const {
        const std::string id = replies_[0].id("chatcmpl-") + (fresh == 0 ? "" : '-' + std::to_string(fresh));
        return R"(data: {"id":)" + json_text(id) + R"(,"object":"chat.completion.chunk","created":)" +
               std::to_string(created + static_cast<std::int64_t>(fresh)) + R"(,"model":)" +
               json_text(replies_[0].model) + R"(,"system_fingerprint":"fp_mock","choices":[)";
    }

    bool event(std::string& out, const Reply& reply, std::size_t step) const {
        if (step == 0) {
            out.append(R"({"role":"assistant","content":)").append(reply.is_call() ? "null" : R"("")");
            out.append(R"(,"refusal":null})");
            return end(out, "null", "null", false);
        }
        --step;
        if (step < reply.reasoning) {
            open(out, reply, "reasoning_content");
            append_token(out, reply.reasoning_seed(), step);
            out.append(R"("})");
            return end(out, "null", "null", true);
        }
        step -= reply.reasoning;
        if (step < reply.text.size()) return text(out, reply, step);
        step -= reply.text.size();
        if (step < reply.calls.size() + reply.pieces()) return call(out, reply, step);
        out.append("{}");
        return end(out, "null", '"' + std::string(finish_of(reply)) + '"', false);
    }

    static void open(std::string& out, const Reply& reply, std::string_view kind) {
        out.append(reply.role_every ? R"({"role":"assistant",")" : R"({")").append(kind).append(R"(":")");
    }

    bool text(std::string& out, const Reply& reply, std::size_t index) const {
        open(out, reply, "content");
        reply.text.append(out, index);
        out.append(R"("})");
        if (!logprobs_) return end(out, "null", "null", true);
        const json::object facts{{"content", json::array({logprob_of(reply, index)})}, {"refusal", nullptr}};
        return end(out, json::serialize(facts), "null", true);
    }

    bool call(std::string& out, const Reply& reply, std::size_t step) const {
        const std::string_view role = reply.role_every ? R"("role":"assistant",)" : "";
        out.append("{").append(role);
        if (step < reply.calls.size()) {
            const json::object opening{{"index", step},
                                       {"id", call_id(reply, step)},
                                       {"type", "function"},
                                       {"function", {{"name", reply.calls[step].name}, {"arguments", ""}}}};
            out.append(R"("tool_calls":[)").append(json::serialize(opening)).append("]}");
            return end(out, "null", "null", false);
        }
        const CallPiece turn = piece_in_turn(reply.calls, step - reply.calls.size());
        out.append(R"("tool_calls":[{"index":)").append(std::to_string(turn.call));
        out.append(R"(,"function":{"arguments":)").append(json_text(reply.calls[turn.call].arguments[turn.piece]));
        out.append("}}]}");
        return end(out, "null", "null", true);
    }

    bool end(std::string& out, std::string_view logprobs, std::string_view finish, bool is_token) const {
        out.append(R"(,"logprobs":)").append(logprobs).append(R"(,"finish_reason":)").append(finish);
        out.append("}").append(tail_);
        return is_token;
    }

    bool close(std::string& out, std::size_t step) const {
        if (with_usage_ && step == events_) {
            out.append(replies_[0].fresh_ids ? head(step + 1) : head_);
            out.append(R"(],"usage":)").append(json::serialize(usage_of(replies_))).append("}\n\n");
        } else {
            out.append("data: [DONE]\n\n");
        }
        return false;
    }

    std::vector<Reply> replies_;
    bool with_usage_, logprobs_;
    std::vector<Turn> turns_;  ///< of several choices
    std::size_t events_ = 0;   ///< of all choices
    std::string head_, tail_;
};

std::size_t choices_of(const Document& document) {
    const auto* n = document.find("n");
    return n && n->is_int64() ? static_cast<std::size_t>(n->get_int64()) : 1;
}

/// True when the body is one this endpoint refuses; `refusal` then says why.
bool is_refused(const Request& request, const Document& document, Answer& refusal) {
    const auto* list = document.find("messages");
    const auto* n = document.find("n");
    if (!list || !list->is_array() || list->get_array().empty()) {
        refusal = refuse(request, 400, "Missing required parameter: 'messages'.", "missing_parameter", "messages");
    } else if (document.find("stream_options") && !document.flag("stream")) {
        refusal = refuse(request, 400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                         "invalid_parameter", "stream_options");
    } else if (n && (!n->is_int64() || n->get_int64() < 1 || n->get_int64() > most_choices)) {
        refusal =
            refuse(request, 400, "The mock gives up to four choices: 'n' must be 1 to 4.", "invalid_parameter", "n");
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
    const Ask ask = ask_of(request.path, document);
    std::vector<Reply> replies;
    for (std::size_t i = 0; i < choices_of(document); ++i)
        replies.push_back(compose(request, document, ask, refusal, i));
    if (refusal) return *refusal;
    const bool logprobs = document.flag("logprobs");
    if (!document.streams()) return whole(replies, logprobs);
    const auto chunks = std::make_shared<const Chunks>(std::move(replies), document.wants_usage(), logprobs);
    answer.content_type = "text/event-stream; charset=utf-8";
    answer.events = chunks->count();
    answer.event = [chunks](std::size_t step, std::string& out) { return chunks->append(step, out); };
    return answer;
}

}  // namespace streamkeeper::mock
