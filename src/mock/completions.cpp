// The older completions endpoint: plain text, no roles, no tools.
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
    std::size_t output = 0, reasoning = 0;
    for (const Reply& reply : replies) {
        output += reply.output();
        reasoning += reply.reasoning;
    }
    return {{"prompt_tokens", replies[0].prompt},
            {"completion_tokens", output},
            {"total_tokens", replies[0].prompt + output},
            {"prompt_tokens_details", {{"cached_tokens", replies[0].cached}}},
            {"completion_tokens_details", {{"reasoning_tokens", reasoning}}}};
}

std::string_view finish_of(const Reply& reply) {
    if (!reply.finishes) return "";
    return reply.cut ? "length" : "stop";
}

/// A string of text and a finish (or null).
json::object choice_of(std::size_t index, std::string_view text, std::string_view finish) {
    json::object choice{{"text", text}, {"index", index}, {"logprobs", nullptr}, {"finish_reason", nullptr}};
    if (!finish.empty()) choice["finish_reason"] = finish;
    return choice;
}

/// `offset` counts bytes of the tokens before `from`.
json::object logprobs_of(const Reply& reply, std::size_t from, std::size_t until, std::size_t offset) {
    json::array tokens, numbers, offsets;
    for (std::size_t i = from; i < until; ++i) {
        const std::string token = reply.text.token(i);
        offsets.push_back(offset);
        offset += token.size();
        tokens.push_back(json::value(token));
        numbers.push_back(logprob(reply.seed, i));
    }
    return {{"tokens", std::move(tokens)},
            {"token_logprobs", std::move(numbers)},
            {"top_logprobs", nullptr},
            {"text_offset", std::move(offsets)}};
}

/// This endpoint's object; usage is added by the caller.
json::object document_of(const std::vector<Reply>& replies, json::array choices, std::size_t fresh = 0) {
    const std::string id = replies[0].id("cmpl-") + (fresh == 0 ? "" : '-' + std::to_string(fresh));
    return {{"id", id},
            {"object", "text_completion"},
            {"created", created + static_cast<std::int64_t>(fresh)},
            {"model", replies[0].model},
            {"choices", std::move(choices)}};
}

/// Events of a choice in order: text, finish. Choices take turns; behind them usage if asked for, `[DONE]`.
class Chunks {
public:
    Chunks(std::vector<Reply> replies, bool with_usage, bool logprobs)
        : replies_(std::move(replies)), with_usage_(with_usage), logprobs_(logprobs) {
        for (const Reply& reply : replies_) {
            const std::size_t own = reply.text.size() + (reply.finishes ? 1 : 0);
            longest_ = std::max(longest_, own);
            events_ += own;
        }
    }

    std::size_t count() const { return events_ + (with_usage_ ? 1 : 0) + 1; }

    bool append(std::size_t step, std::string& out) const {
        if (step + 1 == count()) {
            out += "data: [DONE]\n\n";
            return false;
        }
        const auto [index, local] = step < events_ ? turn(step) : Turn{0, 0};
        const Reply& reply = replies_[index];
        const std::size_t fresh = reply.fresh_ids ? step + 1 : 0;
        const bool is_token = step < events_ && local < reply.text.size();
        json::object document = document_of(replies_, step < events_ ? one(index, local) : json::array(), fresh);
        if (with_usage_) document["usage"] = nullptr;
        if (step == events_) document["usage"] = usage_of(replies_);
        // A torn surrogate pair can't pass through a serializer, so the token's literal is put in behind it.
        std::string text = json::serialize(document);
        if (is_token) {
            constexpr std::string_view place = R"("text":")";
            std::string literal;
            reply.text.append(literal, local);
            text.insert(text.find(place) + place.size(), literal);
        }
        out.append("data: ").append(text).append("\n\n");
        return is_token;
    }

private:
    using Turn = std::pair<std::size_t, std::size_t>;

    Turn turn(std::size_t step) const {
        if (replies_.size() == 1) return {0, step};
        for (std::size_t local = 0; local < longest_; ++local)
            for (std::size_t i = 0; i < replies_.size(); ++i)
                if (local < replies_[i].text.size() + (replies_[i].finishes ? 1 : 0) && step-- == 0) return {i, local};
        return {0, 0};
    }

    json::array one(std::size_t index, std::size_t local) const {
        const Reply& reply = replies_[index];
        const bool ends = local == reply.text.size();
        json::object choice = choice_of(index, "", ends ? finish_of(reply) : "");
        if (logprobs_ && !ends) {
            std::size_t offset = 0;
            for (std::size_t before = 0; before < local; ++before) offset += reply.text.token(before).size();
            choice["logprobs"] = logprobs_of(reply, local, local + 1, offset);
        }
        return {std::move(choice)};
    }

    std::vector<Reply> replies_;
    bool with_usage_, logprobs_;
    std::size_t events_ = 0, longest_ = 0;
};

Answer whole(const std::vector<Reply>& replies, bool logprobs) {
    json::array choices;
    for (std::size_t i = 0; i < replies.size(); ++i) {
        json::object choice = choice_of(i, replies[i].answer_text(), finish_of(replies[i]));
        if (logprobs) choice["logprobs"] = logprobs_of(replies[i], 0, replies[i].text.size(), 0);
        choices.push_back(std::move(choice));
    }
    json::object document = document_of(replies, std::move(choices));
    document["usage"] = usage_of(replies);
    Answer answer;
    answer.body = json::serialize(document);
    return answer;
}

}  // namespace

Answer completions(const Request& request) {
    const Document& document = *request.document;
    if (document.refusal()) return *document.refusal();
    if (!document.find("prompt"))
        return refuse(request, 400, "Missing required parameter: 'prompt'.", "missing_parameter", "prompt");
    const auto* n = document.find("n");
    if (n && (!n->is_int64() || n->get_int64() < 1 || n->get_int64() > most_choices))
        return refuse(request, 400, "The mock gives up to four choices: 'n' must be 1 to 4.", "invalid_parameter", "n");
    std::optional<Answer> refusal;
    std::vector<Reply> replies;
    for (std::int64_t i = 0; i < (n ? n->get_int64() : 1); ++i)
        replies.push_back(
            compose(request, document, ask_of(request.path, document), refusal, static_cast<std::size_t>(i)));
    if (refusal) return *refusal;
    const bool logprobs = document.find("logprobs") != nullptr;
    if (!document.streams()) return whole(replies, logprobs);
    const auto chunks = std::make_shared<const Chunks>(std::move(replies), document.wants_usage(), logprobs);
    Answer answer;
    answer.content_type = "text/event-stream; charset=utf-8";
    answer.events = chunks->count();
    answer.event = [chunks](std::size_t step, std::string& out) { return chunks->append(step, out); };
    return answer;
}

}  // namespace streamkeeper::mock
