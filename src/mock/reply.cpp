#include "mock/reply.hpp"

#include <array>
#include <boost/json.hpp>

#include "mock/errors.hpp"
#include "mock/teller.hpp"
#include "mock/tool_call.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::string_view swapped_model = "mock-swapped";

/// Requests are answered one at a time on one thread, so their documents share one first block.
std::array<unsigned char, 64 * 1024>& parse_block() {
    thread_local std::array<unsigned char, 64 * 1024> block;
    return block;
}

Answer unfit(const Request& request, std::string_view key) {
    if (shape_of(request.path) == Shape::anthropic)
        return refuse(request, 400, std::string(key) + ": Input should be a positive integer");
    return refuse(request, 400, "Invalid value for '" + std::string(key) + "'.", "invalid_parameter", key);
}

Answer too_long(const Request& request, std::size_t words, std::uint64_t most) {
    const std::string message = "This model's maximum context length is " + std::to_string(most) +
                                " tokens, but the prompt has " + std::to_string(words) +
                                " tokens. Please reduce the length of the messages.";
    return refuse(request, 400, message, "context_length_exceeded", "messages");
}

std::optional<std::size_t> limit_of(const Request& request, const Document& document, std::string_view key,
                                    std::optional<Answer>& refusal) {
    const auto* value = key.empty() ? nullptr : document.find(key);
    if (!value) return std::nullopt;
    const auto* number = value->if_int64();
    if (number && *number > 0) return static_cast<std::size_t>(*number);
    refusal = unfit(request, key);
    return std::nullopt;
}

}  // namespace

Document::Document(const Request& request) : memory_(parse_block().data(), parse_block().size()) {
    json::parse_options options;
    options.max_depth = 256;  // tool schemas nest deeper than Boost.JSON's 32
    boost::system::error_code error;
    root_ = json::parse(request.body, error, &memory_, options);
    if (error || !root_.is_object()) {
        refusal_ = refuse(request, 400, "We could not parse the JSON body of your request.");
        return;
    }
    const auto* name = find("model");
    if (!name || !name->is_string()) {
        refusal_ = refuse(request, 400, "you must provide a model parameter", "missing_parameter", "model");
        return;
    }
    asked_ = name->get_string();
    model_ = request.models->without_fault(asked_);
    known_ = request.models->find(model_);
    if (!known_)
        refusal_ = refuse(request, 404, missing_model(usual_shape(request), model_), "model_not_found", "model");
}

const json::value* Document::find(std::string_view key) const {
    const auto* object = root_.if_object();
    const auto* value = object ? object->if_contains(key) : nullptr;
    return value && !value->is_null() ? value : nullptr;
}

bool Document::flag(std::string_view key) const {
    const auto* value = find(key);
    return value && value->is_bool() && value->get_bool();
}

bool Document::wants_usage() const {
    const auto* options = find("stream_options");
    const auto* wish = options && options->is_object() ? options->get_object().if_contains("include_usage") : nullptr;
    return wish && wish->is_bool() && wish->get_bool();
}

namespace {

struct Asked {
    Opening opening;
    Reading reading;
    std::uint64_t seed = 0;
};

Asked read(const Document& document, const Ask& ask, std::size_t choice) {
    Asked asked{opening_of(document, ask), {}, 0};
    asked.reading.add(document.model());
    if (const auto* seed = document.find("seed")) asked.reading.add(std::string_view(json::serialize(*seed)));
    if (ask.preface) asked.reading.add(*ask.preface);
    read_conversation(asked.reading, ask, asked.opening);
    asked.seed = other_seed(asked.reading.hash, 0);
    if (choice != 0) asked.seed = other_seed(asked.seed, 40 + choice);
    return asked;
}

std::vector<ToolCall> calls_of(const Request& request, const Document& document, const Ask& ask, const Asked& asked) {
    std::vector<ToolCall> calls;
    if (ask.plain) return calls;
    const auto choose = [&](std::uint64_t seed) {
        return choose_tool(document.find("tools"), document.find("tool_choice"), asked.opening, ask.conversation, seed);
    };
    calls.push_back(choose(asked.seed));
    if (calls[0].name.empty()) return {};
    if (request.character.two_calls) calls.push_back(choose(other_seed(asked.seed, 24)));
    return calls;
}

/// A continuation is another answer, so its id follows from all of the request.
std::uint64_t id_seed(const Request& request, const Asked& asked) {
    if (!asked.opening.prefix) return asked.seed;
    Reading all;
    all.add(request.body);
    return other_seed(asked.seed, all.hash);
}

void cut(Reply& reply, std::size_t limit) {
    if (reply.is_call() || reply.reasoning + reply.text.size() <= limit) return;
    reply.reasoning = std::min(reply.reasoning, limit);  // thinking is billed, and counts, first
    reply.text.cut(limit - reply.reasoning);
    reply.calls.clear();
    reply.stopped_by.clear();
    reply.cut = true;
}

}  // namespace

Reply compose(const Request& request, const Document& document, const Ask& ask, std::optional<Answer>& refusal,
              std::size_t choice) {
    const Asked asked = read(document, ask, choice);
    const Character& character = request.character;
    Teller teller(request, document, ask, asked.opening, asked.seed);
    Reply reply;
    reply.model = teller.continues() && character.model_swap ? swapped_model : document.model();
    reply.seed = asked.seed;
    reply.id_seed = id_seed(request, asked);
    reply.prompt = std::max<std::size_t>(asked.reading.words, 1);
    reply.cached = reply.prompt / 4;
    reply.finishes = !character.never_finish;
    reply.role_every = character.role_every;
    reply.fresh_ids = character.fresh_ids;
    std::optional<std::size_t> limit = limit_of(request, document, ask.limit_key, refusal);
    if (!limit) limit = limit_of(request, document, ask.limit_key_too, refusal);
    const Model* const model = document.known_model();
    if (model && model->context_length != 0 && reply.prompt > model->context_length)
        refusal = too_long(request, reply.prompt, model->context_length);
    if (!teller.refusal().empty()) refusal = refuse(request, 400, teller.refusal(), {}, "messages");
    if (teller.is_too_long() && (choice != 0 || !teller.is_plain())) {
        refusal = refuse(request, 400, "The mock makes up to a million tokens of such a text.");
        return reply;
    }
    reply.calls = calls_of(request, document, ask, asked);
    if (!ask.plain) reply.reasoning = teller.reasoning(document.model() == "mock-reasoner");
    reply.text = teller.text(reply.calls.empty() || character.text_then_tool);
    reply.stopped_by = teller.stopped_by();
    if (teller.drops_calls() || !reply.stopped_by.empty()) reply.calls.clear();
    if (limit) cut(reply, *limit);
    return reply;
}

std::optional<std::string> whole_text(const Request& request, const Document& document, const Ask& ask) {
    const Asked asked = read(document, ask, 0);
    Teller teller(request, document, ask, asked.opening, asked.seed);
    return teller.whole(calls_of(request, document, ask, asked).empty() || request.character.text_then_tool);
}

std::size_t Reply::pieces() const {
    std::size_t count = 0;
    for (const auto& call : calls) count += call.arguments.size();
    return count;
}

std::uint64_t Reply::reasoning_seed() const { return other_seed(seed, 1); }
std::string Reply::reasoning_text() const { return mock::text(reasoning_seed(), reasoning); }

std::string Reply::id(std::string_view prefix, std::uint64_t which) const {
    return std::string(prefix) + hex(other_seed(id_seed, which == 0 ? 2 : 50 + which));
}

std::string json_text(std::string_view text) { return json::serialize(text); }

}  // namespace streamkeeper::mock
