// Error types and codes: Apertis' table (vendors.md 1.1), Anthropic's error page, Google's canonical codes.
#include "mock/errors.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "mock/reply.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

struct Words {
    unsigned status;
    std::string_view type, code, anthropic_type, google_status;
};

constexpr std::array table{
    Words{400, "invalid_request_error", "invalid_request", "invalid_request_error", "INVALID_ARGUMENT"},
    Words{401, "authentication_error", "invalid_api_key", "authentication_error", "UNAUTHENTICATED"},
    Words{402, "billing_error", "quota_exceeded", "billing_error", "FAILED_PRECONDITION"},
    Words{403, "permission_error", "access_denied", "permission_error", "PERMISSION_DENIED"},
    Words{404, "invalid_request_error", "endpoint_not_found", "not_found_error", "NOT_FOUND"},
    Words{408, "server_error", "timeout", "timeout_error", "DEADLINE_EXCEEDED"},
    Words{409, "invalid_request_error", "conflict", "conflict_error", "ABORTED"},
    Words{413, "invalid_request_error", "request_too_large", "request_too_large", "INVALID_ARGUMENT"},
    Words{422, "invalid_request_error", "invalid_parameter", "invalid_request_error", "INVALID_ARGUMENT"},
    Words{429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"},
    Words{500, "server_error", "internal_error", "api_error", "INTERNAL"},
    Words{502, "server_error", "upstream_error", "api_error", "UNAVAILABLE"},
    Words{503, "server_error", "service_unavailable", "overloaded_error", "UNAVAILABLE"},
    Words{504, "server_error", "timeout", "timeout_error", "DEADLINE_EXCEEDED"},
    Words{529, "server_error", "model_overloaded", "overloaded_error", "UNAVAILABLE"},
};

Words words_of(unsigned status) {
    const auto* it = std::find_if(table.begin(), table.end(), [status](const Words& w) { return w.status == status; });
    if (it != table.end()) return *it;
    if (status >= 500) return Words{status, "server_error", "internal_error", "api_error", "INTERNAL"};
    return Words{status, "invalid_request_error", "invalid_request", "invalid_request_error", "INVALID_ARGUMENT"};
}

json::value optional_text(std::string_view text) { return text.empty() ? json::value(nullptr) : json::value(text); }

std::string_view either(std::string_view own, std::string_view usual) { return own.empty() ? usual : own; }

/// The parts that most shapes share.
json::object plain_words(const ErrorText& error) {
    const Words words = words_of(error.status);
    return {{"message", error.message},
            {"type", either(error.type, words.type)},
            {"param", optional_text(error.param)},
            {"code", either(error.code, words.code)}};
}

json::object apertis(const ErrorText& error) {
    json::object words = plain_words(error);
    if (error.param.empty()) words.erase("param");
    return {{"error", std::move(words)}};
}

json::object anthropic(const ErrorText& error) {
    const std::string_view type = either(error.type, words_of(error.status).anthropic_type);
    return {{"type", "error"},
            {"error", {{"type", type}, {"message", error.message}}},
            {"request_id", "req_mock_" + std::to_string(error.sequence)}};
}

json::array google(const ErrorText& error) {
    json::array details;
    if (!error.code.empty())
        details.push_back(json::object{{"@type", "type.googleapis.com/google.rpc.ErrorInfo"}, {"reason", error.code}});
    if (!error.retry_delay.empty())
        details.push_back(
            json::object{{"@type", "type.googleapis.com/google.rpc.RetryInfo"}, {"retryDelay", error.retry_delay}});
    return {json::object{{"error",
                          {{"code", error.status},
                           {"message", error.message},
                           {"status", either(error.type, words_of(error.status).google_status)},
                           {"details", std::move(details)}}}}};
}

json::object openrouter(const ErrorText& error) {
    json::object words{{"code", error.status}, {"message", error.message}};
    json::object metadata;
    if (!error.code.empty()) metadata["error_type"] = error.code;
    if (!error.retry_after_seconds.empty()) {
        boost::system::error_code not_json;
        json::value number = json::parse(error.retry_after_seconds, not_json);
        metadata["retry_after_seconds"] = not_json ? json::value(error.retry_after_seconds) : std::move(number);
    }
    if (!metadata.empty()) words["metadata"] = std::move(metadata);
    return {{"error", std::move(words)}};
}

json::object detail_list(const ErrorText& error) {
    json::array place{"body"};
    if (!error.param.empty()) place.emplace_back(error.param);
    return {{"detail", json::array({json::object{{"type", either(error.type, "value_error")},
                                                 {"loc", std::move(place)},
                                                 {"msg", error.message},
                                                 {"input", nullptr}}})}};
}

std::string page(const ErrorText& error) {
    return "<!DOCTYPE html>\n<html><head><title>" + std::to_string(error.status) + "</title></head>\n<body><h1>" +
           std::to_string(error.status) + "</h1><p>" + error.message + "</p></body></html>\n";
}

json::value document_of(ErrorShape shape, const ErrorText& error) {
    switch (shape) {
        case ErrorShape::apertis: return apertis(error);
        case ErrorShape::anthropic: return anthropic(error);
        case ErrorShape::google: return google(error);
        case ErrorShape::openrouter: return openrouter(error);
        case ErrorShape::detail: return json::object{{"detail", error.message}};
        case ErrorShape::detail_list: return detail_list(error);
        case ErrorShape::string: return json::object{{"error", error.message}};
        case ErrorShape::top_level: return plain_words(error);
        default: return json::object{{"error", plain_words(error)}};
    }
}

}  // namespace

Shape shape_of(std::string_view path) {
    return path.find("/messages") == std::string_view::npos ? Shape::openai : Shape::anthropic;
}

ErrorShape usual_shape(const Request& request) {
    if (request.error_shape) return *request.error_shape;
    return shape_of(request.path) == Shape::anthropic ? ErrorShape::anthropic : ErrorShape::openai;
}

ErrorBody render(ErrorShape shape, const ErrorText& error) {
    switch (shape) {
        case ErrorShape::text: return {"text/plain; charset=utf-8", error.message + "\n"};
        case ErrorShape::html: return {"text/html; charset=utf-8", page(error)};
        case ErrorShape::empty: return {"application/json", ""};
        default: return {"application/json", json::serialize(document_of(shape, error))};
    }
}

/// A chunk that finishes with the error, as OpenRouter sends it.
std::string finishing_chunk(const Request& request, const ErrorText& error) {
    const json::object document{
        {"id", "chatcmpl-mock"},
        {"object", "chat.completion.chunk"},
        {"created", created},
        {"model", request.document ? request.document->model() : "none"},
        {"error", {{"code", error.status}, {"message", error.message}}},
        {"choices",
         json::array({json::object{{"index", 0}, {"delta", {{"content", ""}}}, {"finish_reason", "error"}}})}};
    return "data: " + json::serialize(document) + "\n\n";
}

std::string error_event(const Request& request, ErrorShape shape, const ErrorText& error, std::size_t number) {
    if (shape == ErrorShape::field) return "error: " + json::serialize(plain_words(error)) + "\n\n";
    if (shape == ErrorShape::finish_error && request.path.ends_with("/completions"))
        return finishing_chunk(request, error);
    if (shape_of(request.path) == Shape::anthropic)
        return "event: error\ndata: " + json::serialize(anthropic(error)) + "\n\n";
    if (request.path.ends_with("/responses")) {
        json::object words = plain_words(error);
        words["type"] = "error";
        words["sequence_number"] = number;
        return "event: error\ndata: " + json::serialize(words) + "\n\n";
    }
    const std::string_view name = shape == ErrorShape::event ? "event: error\n" : "";
    return std::string(name) + "data: " + json::serialize(document_of(shape, error)) + "\n\n";
}

std::string missing_model(ErrorShape shape, std::string_view model) {
    if (shape == ErrorShape::detail) return "Model not found: " + std::string(model);
    return "The model `" + std::string(model) + "` does not exist or you have no access to it.";
}

Answer refuse(const Request& request, unsigned status, std::string_view message, std::string_view code,
              std::string_view param) {
    ErrorBody made =
        render(usual_shape(request), {status, {}, code, param, std::string(message), {}, {}, request.sequence});
    Answer answer;
    answer.status = status;
    answer.content_type = made.content_type;
    answer.body = std::move(made.body);
    return answer;
}

}  // namespace streamkeeper::mock
