#include "mock/reply.hpp"

#include <array>
#include <boost/json.hpp>

#include "mock/errors.hpp"
#include "mock/tool_call.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::size_t envelope = 600;  // about what a JSON answer weighs without its text

/// Requests are answered one at a time on one thread, so their documents share one first block.
std::array<unsigned char, 64 * 1024>& parse_block() {
    thread_local std::array<unsigned char, 64 * 1024> block;
    return block;
}

std::size_t natural_length(const Knobs& knobs, std::uint64_t seed) {
    if (knobs.tokens) return *knobs.tokens;
    if (!knobs.bytes) return 16 + seed % 24;
    std::size_t tokens = 0;
    for (std::size_t size = envelope; size < *knobs.bytes; ++tokens) size += word(seed, tokens).size() + 1;
    return std::max<std::size_t>(tokens, 1);
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

Reply compose(const Request& request, const Document& document, const Ask& ask, std::optional<Answer>& refusal) {
    Reading reading;
    reading.add(document.model());
    if (const auto* seed = document.find("seed")) reading.add(std::string_view(json::serialize(*seed)));
    if (ask.preface) reading.add(*ask.preface);
    if (ask.conversation) reading.add(*ask.conversation);
    Reply reply;
    reply.model = document.model();
    reply.seed = other_seed(reading.hash, 0);
    reply.prompt = std::max<std::size_t>(reading.words, 1);
    reply.cached = reply.prompt / 4;
    std::optional<std::size_t> limit = limit_of(request, document, ask.limit_key, refusal);
    if (!limit) limit = limit_of(request, document, ask.limit_key_too, refusal);
    const Model* const model = document.known_model();
    if (model && model->context_length != 0 && reply.prompt > model->context_length)
        refusal = too_long(request, reply.prompt, model->context_length);
    ToolCall call;
    if (!ask.plain)
        call = choose_tool(document.find("tools"), document.find("tool_choice"), ask.conversation, reply.seed);
    reply.tool = std::move(call.name);
    reply.arguments = std::move(call.arguments);
    if (!ask.plain && reply.model == "mock-reasoner") reply.reasoning = 8 + reply.seed % 8;
    if (reply.tool.empty()) reply.text = natural_length(request.knobs, reply.seed);
    if (limit && reply.tool.empty() && reply.reasoning + reply.text > *limit) {
        reply.reasoning = std::min(reply.reasoning, *limit);  // thinking is billed, and counts, first
        reply.text = *limit - reply.reasoning;
        reply.cut = true;
    }
    return reply;
}

std::uint64_t Reply::reasoning_seed() const { return other_seed(seed, 1); }
std::string Reply::reasoning_text() const { return mock::text(reasoning_seed(), reasoning); }
std::string Reply::answer_text() const { return mock::text(seed, text); }

std::string Reply::arguments_text() const {
    std::string joined;
    for (const auto& piece : arguments) joined += piece;
    return joined;
}

std::string Reply::id(std::string_view prefix) const { return std::string(prefix) + hex(other_seed(seed, 2)); }

std::string json_text(std::string_view text) { return json::serialize(text); }

}  // namespace streamkeeper::mock
