// Error types and codes: Apertis' table (vendors.md 1.1) for the OpenAI shape, Anthropic's error page for the other.
#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "mock/answer.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

struct Words {
    unsigned status;
    std::string_view type, code, anthropic_type;
};

constexpr std::array table{
    Words{400, "invalid_request_error", "invalid_request", "invalid_request_error"},
    Words{401, "authentication_error", "invalid_api_key", "authentication_error"},
    Words{402, "billing_error", "quota_exceeded", "billing_error"},
    Words{403, "permission_error", "access_denied", "permission_error"},
    Words{404, "invalid_request_error", "endpoint_not_found", "not_found_error"},
    Words{408, "server_error", "timeout", "timeout_error"},
    Words{409, "invalid_request_error", "conflict", "conflict_error"},
    Words{413, "invalid_request_error", "request_too_large", "request_too_large"},
    Words{422, "invalid_request_error", "invalid_parameter", "invalid_request_error"},
    Words{429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error"},
    Words{500, "server_error", "internal_error", "api_error"},
    Words{502, "server_error", "upstream_error", "api_error"},
    Words{503, "server_error", "service_unavailable", "overloaded_error"},
    Words{504, "server_error", "timeout", "timeout_error"},
    Words{529, "server_error", "model_overloaded", "overloaded_error"},
};

Words words_of(unsigned status) {
    const auto* it = std::find_if(table.begin(), table.end(), [status](const Words& w) { return w.status == status; });
    if (it != table.end()) return *it;
    if (status >= 500) return Words{status, "server_error", "internal_error", "api_error"};
    return Words{status, "invalid_request_error", "invalid_request", "invalid_request_error"};
}

json::value optional_text(std::string_view text) { return text.empty() ? json::value(nullptr) : json::value(text); }

}  // namespace

Shape shape_of(std::string_view path) {
    return path.find("/messages") == std::string_view::npos ? Shape::openai : Shape::anthropic;
}

Answer refuse(const Request& request, unsigned status, std::string_view message, std::string_view code,
              std::string_view param) {
    const Words words = words_of(status);
    json::object document;
    if (shape_of(request.path) == Shape::anthropic) {
        document = {{"type", "error"},
                    {"error", {{"type", words.anthropic_type}, {"message", message}}},
                    {"request_id", "req_mock_" + std::to_string(request.sequence)}};
    } else {
        document = {{"error",
                     {{"message", message},
                      {"type", words.type},
                      {"param", optional_text(param)},
                      {"code", code.empty() ? words.code : code}}}};
    }
    Answer answer;
    answer.status = status;
    answer.body = json::serialize(document);
    return answer;
}

}  // namespace streamkeeper::mock
