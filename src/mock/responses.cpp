// The Responses API: the event order and the fields of the response object that the official SDKs' types demand.
#include "mock/responses.hpp"

#include <array>

#include "mock/endpoints.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

/// Fields that the response repeats from the request, with what stands there when it was silent.
json::object echo_of(const Document& document) {
    json::object echo{{"instructions", nullptr},
                      {"max_output_tokens", nullptr},
                      {"metadata", json::object()},
                      {"parallel_tool_calls", true},
                      {"previous_response_id", nullptr},
                      {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
                      {"store", false},
                      {"temperature", 1.0},
                      {"text", {{"format", {{"type", "text"}}}}},
                      {"tool_choice", "auto"},
                      {"tools", json::array()},
                      {"top_p", 1.0},
                      {"truncation", "disabled"},
                      {"user", nullptr}};
    if (document.flag("background")) echo["background"] = true;
    for (auto& [key, value] : echo)
        if (const auto* asked = document.find(key)) value = json::value(*asked, json::storage_ptr());
    return echo;
}

json::object usage_of(const Reply& reply) {
    return {{"input_tokens", reply.prompt},
            {"input_tokens_details", {{"cached_tokens", reply.cached}}},
            {"output_tokens", reply.output()},
            {"output_tokens_details", {{"reasoning_tokens", reply.reasoning}}},
            {"total_tokens", reply.prompt + reply.output()}};
}

std::string_view status_of(bool done) { return done ? "completed" : "in_progress"; }

}  // namespace

ResponseShape::ResponseShape(Reply answer, const Document& document)
    : reply(std::move(answer)), echo_(echo_of(document)) {}

json::object ResponseShape::text_part(bool done) const {
    return {{"type", "output_text"},
            {"annotations", json::array()},
            {"logprobs", json::array()},
            {"text", done ? reply.answer_text() : std::string()}};
}

json::object ResponseShape::summary_part(bool done) const {
    return {{"type", "summary_text"}, {"text", done ? reply.reasoning_text() : std::string()}};
}

json::object ResponseShape::reasoning_item(bool done) const {
    json::array summary;
    if (done) summary.push_back(summary_part(true));
    return {{"id", reasoning_id()}, {"type", "reasoning"}, {"summary", std::move(summary)}};
}

json::object ResponseShape::message_item(bool done) const {
    json::array content;
    if (done) content.push_back(text_part(true));
    return {{"id", message_id()},
            {"type", "message"},
            {"status", done && reply.cut ? "incomplete" : status_of(done)},
            {"role", "assistant"},
            {"content", std::move(content)}};
}

json::object ResponseShape::call_item(std::size_t call, bool done) const {
    const ToolCall& made = reply.calls[call];
    return {{"id", call_id(call)},       {"type", "function_call"},
            {"status", status_of(done)}, {"call_id", reply.id("call_", call)},
            {"name", made.name},         {"arguments", done ? made.arguments_text() : std::string()}};
}

json::object ResponseShape::response(bool done) const {
    json::object document{{"id", reply.id("resp_")},   {"object", "response"},    {"created_at", created},
                          {"status", status_of(done)}, {"error", nullptr},        {"incomplete_details", nullptr},
                          {"model", reply.model},      {"output", json::array()}, {"usage", nullptr}};
    for (const auto& [key, value] : echo_) document[key] = value;
    if (!done) return document;
    json::array output;
    if (reply.reasoning != 0) output.push_back(reasoning_item(true));
    if (!reply.is_call()) output.push_back(message_item(true));
    for (std::size_t i = 0; i < reply.calls.size(); ++i) output.push_back(call_item(i, true));
    document["output"] = std::move(output);
    document["usage"] = usage_of(reply);
    if (reply.cut) {
        document["status"] = "incomplete";
        document["incomplete_details"] = json::object{{"reason", "max_output_tokens"}};
    }
    return document;
}

Answer responses(const Request& request, World& world) {
    const Document& document = *request.document;
    if (document.refusal()) return *document.refusal();
    const auto* input = document.find("input");
    if (!input || !(input->is_string() || (input->is_array() && !input->get_array().empty())))
        return refuse(request, 400, "Missing required parameter: 'input'.", "missing_parameter", "input");
    std::optional<Answer> refusal;
    Reply reply = compose(request, document, ask_of(request.path, document), refusal);
    if (refusal) return *refusal;
    ResponseShape shape(std::move(reply), document);
    Answer answer;
    const std::string id = shape.reply.id("resp_");
    std::string whole = json::serialize(shape.response(true));
    if (!document.streams()) {
        answer.body = std::move(whole);
        return answer;
    }
    answer = stream_of(std::move(shape));
    if (document.flag("background"))
        world.responses.keep(
            {id, std::string(document.asked_model()), std::move(whole), answer.event, answer.events, request.at});
    return answer;
}

}  // namespace streamkeeper::mock
