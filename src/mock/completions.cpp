// The older completions endpoint: plain text, no roles, no tools.
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
            {"prompt_tokens_details", {{"cached_tokens", reply.cached}}},
            {"completion_tokens_details", {{"reasoning_tokens", reply.reasoning}}}};
}

/// Strings of text and a finish (or null) in this endpoint's object; usage is added by the caller.
json::object document_of(const Reply& reply, std::string_view text, std::string_view finish) {
    json::object choice{{"text", text}, {"index", 0}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
    if (!finish.empty()) choice["finish_reason"] = finish;
    return {{"id", reply.id("cmpl-")},
            {"object", "text_completion"},
            {"created", created},
            {"model", reply.model},
            {"choices", json::array({std::move(choice)})}};
}

/// Events in order: text, finish, usage if asked for, `[DONE]`.
struct Chunks {
    Reply reply;
    bool with_usage;

    std::size_t count() const { return reply.text + 1 + (with_usage ? 1 : 0) + 1; }

    bool append(std::size_t step, std::string& out) const {
        if (step + 1 == count()) {
            out += "data: [DONE]\n\n";
            return false;
        }
        std::string token;
        if (step < reply.text) append_token(token, reply.seed, step);
        json::object document = document_of(reply, token, step == reply.text ? finish() : "");
        if (with_usage) document["usage"] = nullptr;
        if (step == reply.text + 1) {
            document["choices"] = json::array();
            document["usage"] = usage_of(reply);
        }
        out.append("data: ").append(json::serialize(document)).append("\n\n");
        return step < reply.text;
    }

    std::string_view finish() const { return reply.cut ? "length" : "stop"; }
};

}  // namespace

Answer completions(const Request& request) {
    const Document& document = *request.document;
    if (document.refusal()) return *document.refusal();
    const auto* prompt = document.find("prompt");
    if (!prompt) return refuse(request, 400, "Missing required parameter: 'prompt'.", "missing_parameter", "prompt");
    std::optional<Answer> refusal;
    Reply reply = compose(request, document, Ask{nullptr, prompt, "max_tokens", {}, true}, refusal);
    if (refusal) return *refusal;
    const auto chunks = std::make_shared<const Chunks>(Chunks{std::move(reply), document.wants_usage()});
    Answer answer;
    if (!document.streams()) {
        json::object whole = document_of(chunks->reply, chunks->reply.answer_text(), chunks->finish());
        whole["usage"] = usage_of(chunks->reply);
        answer.body = json::serialize(whole);
        return answer;
    }
    answer.content_type = "text/event-stream; charset=utf-8";
    answer.events = chunks->count();
    answer.event = [chunks](std::size_t step, std::string& out) { return chunks->append(step, out); };
    return answer;
}

}  // namespace streamkeeper::mock
