// Every code and every phrase of the table by itself: a list of which one word is wrong is found nowhere else.
#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <cctype>

#include "judged.hpp"

using namespace streamkeeper;
using namespace streamkeeper::judged;
namespace {

using Words = std::initializer_list<const char*>;

std::string error_with(const char* member, const std::string& text) {
    boost::json::object error{{"message", "m"}};
    error[member] = text;
    return boost::json::serialize(boost::json::value{{"error", error}});
}

std::string row(int status, const std::string& body) {
    const std::string text = judge_json(status, body);
    return text.substr(0, text.find(' '));
}

/// Each code by itself is judged by this row, as code and as type; with a letter more it is another code.
void codes(const char* expected, int status, Words words) {
    for (const char* const word : words) {
        BOOST_TEST(row(status, error_with("code", word)) == expected, word);
        BOOST_TEST(row(status, error_with("type", word)) == expected, word);
        BOOST_TEST(row(status, error_with("message", word)) == expected, word);
        BOOST_TEST(row(status, error_with("code", std::string(word) + "s")) != expected, word);
        BOOST_TEST(row(status, error_with("code", "x" + std::string(word))) != expected, word);
    }
}

/// Each phrase is found in a message, in any case, and nowhere but in the message.
void phrases(const char* expected, int status, Words words) {
    for (const char* const word : words) {
        std::string loud = word;
        for (char& c : loud) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        BOOST_TEST(row(status, error_with("message", "Oh, " + std::string(word) + ". See the docs")) == expected, word);
        BOOST_TEST(row(status, error_with("message", loud)) == expected, word);
        BOOST_TEST(row(status, error_with("note", word)) != expected, word);
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(judge_words)

BOOST_AUTO_TEST_CASE(used_up_money) {
    codes("R2c", 400,
          {"insufficient_quota", "quota_exceeded", "credit_balance_exhausted", "organization_spend_limit_exceeded",
           "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "insufficient_user_quota",
           "pre_consume_token_quota_failed", "insufficient_balance", "subscription_expired", "payment_failed",
           "billing_error", "exceeded_current_quota_error", "budget_exceeded", "spend_limit_exceeded",
           "entitlement_daily_limit_exceeded", "billing_hard_limit_reached", "billing_not_active"});
    for (const int status : {400, 401, 403, 429, 500, 503})
        BOOST_TEST(row(status, error_with("code", "insufficient_quota")) == "R2c", status);
    const Words sentences = {"credit balance is too low",
                             "exceeded your current quota",
                             "used all available credits",
                             "monthly spending limit",
                             "run out of credits",
                             "insufficient balance",
                             "insufficient credits",
                             "insufficient funds",
                             "insufficient account balance",
                             "specified API usage limits",
                             "exhausted all your credits",
                             "usage limit for this billing",
                             "monthly usage limit",
                             "key limit exceeded",
                             "payment method",
                             "余额不足",
                             "额度不足",
                             "额度已用尽",
                             "已欠费"};
    phrases("R2d", 400, sentences);
    phrases("R2d", 429, sentences);
    phrases("R2f", 412, {"suspended"});
    BOOST_TEST(row(429, R"({"error":{"message":"m","details":{"error_code":"enforced_spend_limit_reached"}}})") ==
               "R2e");
    BOOST_TEST(row(429, R"({"error":{"message":"m","details":{"error_code":"enforced_spend_limit_reached2"}}})") ==
               "R9b");
    BOOST_TEST(row(429, R"({"error":{"message":"m","details":{"note":"enforced_spend_limit_reached"}}})") == "R9b");
}

BOOST_AUTO_TEST_CASE(google) {
    for (const char* const member : {"code", "type", "status"})
        BOOST_TEST(row(429, error_with(member, "RESOURCE_EXHAUSTED")) == "R1d", member);
    BOOST_TEST(row(503, error_with("status", "RESOURCE_EXHAUSTED")) == "R9d");
    BOOST_TEST(row(429, error_with("message", "VertexAIException - b'{\"status\": \"RESOURCE_EXHAUSTED\"}'")) == "R1d");
    BOOST_TEST(row(429, error_with("message", "resource exhausted")) == "R9b");
    phrases("R1d", 429,
            {"https://ai.google.dev/gemini-api/docs", "metric: generativelanguage.googleapis.com/requests"});
    const auto with_details = [](int status, const std::string& details) {
        return judge_json(
            status, R"({"error":{"code":1,"message":"m","status":"RESOURCE_EXHAUSTED","details":)" + details + "}}");
    };
    for (const char* const name : {"quotaId", "quota_limit"}) {
        const auto named = [&](const char* id) {
            return with_details(429, "[{\"metadata\":{\"" + std::string(name) + "\":\"" + id + "\"}}]");
        };
        BOOST_TEST(named("RequestsPerDayPerProject") == "R1c other_model quota_model");
        BOOST_TEST(named("DailyRequests") == "R1c other_model quota_model");
        BOOST_TEST(named("RequestsPerMinute") == "R1d retry_after_wait rate_limit 60000000");
    }
    BOOST_TEST(with_details(429, R"([{"note":"PerDay PerMinute"}])") == "R1d retry_after_wait rate_limit");
    BOOST_TEST(row(429, error_with("message", "RESOURCE_EXHAUSTED: limit 'RequestsPerDay'")) == "R1c");
    BOOST_TEST(judge_json(429, error_with("message", "RESOURCE_EXHAUSTED: limit 'RequestsPerMinute'")) ==
               "R1d retry_after_wait rate_limit 60000000");
    codes("R1a", 400, {"API_KEY_INVALID"});
    codes("R1b", 503, {"MODEL_CAPACITY_EXHAUSTED"});
    BOOST_TEST(with_details(403, R"([{"reason":"API_KEY_INVALID"}])") == "R1a other_key auth");
    BOOST_TEST(with_details(400, R"([{"note":"API_KEY_INVALID"}])") == "R9h fail_now bad_request");
    BOOST_TEST(row(400, error_with("message", "You wrote API_KEY_INVALID")) == "R9h");
    BOOST_TEST(row(429, error_with("message", "Got MODEL_CAPACITY_EXHAUSTED from upstream")) == "R1b");
}

BOOST_AUTO_TEST_CASE(lengths) {
    codes("R4", 400,
          {"context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded",
           "token_limit_exceeded"});
    const Words sentences = {"prompt is too long",
                             "Input is too long for requested model",
                             "exceeds the context window",
                             "The input token count (12) exceeds the maximum number",
                             "maximum prompt length is 12",
                             "Please reduce the length of the messages",
                             "maximum context length is 12",
                             "token count of 12 exceeds the limit of 11",
                             "exceeds the available context size",
                             "greater than the context length",
                             "context window exceeds limit",
                             "exceeded model token limit: 12",
                             "too large for model with 12 maximum context length",
                             "model_context_window_exceeded",
                             "context_length_exceeded",
                             "context length exceeded",
                             "token limit exceeded",
                             "`inputs` tokens + `max_new_tokens` must be <= 12",
                             "inputs tokens + max_new_tokens must be <= 12",
                             "is longer than the model's context length",
                             "exceed context limit",
                             "Current length is 12 while limit is 11",
                             "litellm.ContextWindowExceededError",
                             "exceeded max context length by 12"};
    for (const int status : {400, 403, 413, 422, 500}) phrases("R4", status, sentences);
    for (const char* const sentence : sentences)
        BOOST_TEST(row(429, error_with("message", sentence)) == "R9b", sentence);
    for (const char* const sentence :
         {"maximum prompt length is unknown", "exceeds the limit of what we do",
          "exceeds the maximum of input token count", "while limit is 3, current length is 4"})
        BOOST_TEST(row(400, error_with("message", sentence)) == "R9h", sentence);
    phrases("R3a", 429, {"Request too large for x", "Limit 5, Requested 6", "limit: 5 tokens. requested: 6"});
    for (const char* const sentence :
         {"Limit 5, Requested 5", "Limit 6, Requested 5", "Requested 6, Limit 5", "Limit x, Requested 5"})
        BOOST_TEST(row(429, error_with("message", sentence)) == "R9b", sentence);
    codes("R3b", 413, {"request_too_large", "read_request_body_failed"});
}

BOOST_AUTO_TEST_CASE(content) {
    const Words words = {"content_filter",
                         "content_policy_violation",
                         "invalid_prompt",
                         "sensitive_words_detected",
                         "prompt_blocked",
                         "refusal",
                         "bio_policy",
                         "content_policy_error",
                         "ResponsibleAIPolicyViolation"};
    for (const int status : {400, 403, 429, 500}) codes("R5", status, words);
    phrases("R5", 400,
            {"violates our usage policy", "violate the usage policies", "litellm.ContentPolicyViolationError"});
    BOOST_TEST(row(400, error_with("message", "The usage policy was violated")) == "R9h");
    for (const char* const name : {"stream_options", "include_usage"}) {
        BOOST_TEST(row(400, error_with("param", "body." + std::string(name))) == "R6", name);
        BOOST_TEST(row(422, error_with("message", "Unknown: '" + std::string(name) + "'")) == "R6", name);
        BOOST_TEST(row(404, error_with("param", name)) == "R9h", name);
        BOOST_TEST(row(400, error_with("note", name)) == "R9h", name);
    }
}

BOOST_AUTO_TEST_CASE(models_and_countries) {
    codes("R7b", 400, {"model_not_found", "DeploymentNotFound"});
    for (const int status : {400, 401, 403, 404, 422, 500, 503})
        BOOST_TEST(row(status, error_with("code", "model_not_found")) == "R7b", status);
    const Words sentences = {"The model `a.b/c-4.5` does not exist",
                             "model 'x' not found",
                             "Model x is not recognised",
                             "Model x is not recognized",
                             "No models loaded",
                             "Model Not Exist",
                             "Not found the model x",
                             "x is not a valid model ID",
                             "Invalid model name passed",
                             "Invalid model: x",
                             "Invalid model 'x'",
                             "Unknown model x",
                             "No endpoints found for x",
                             "Unable to access model x"};
    for (const int status : {400, 404, 422}) phrases("R7b", status, sentences);
    for (const char* const sentence : sentences)
        BOOST_TEST(row(403, error_with("message", sentence)) == "R8c", sentence);
    phrases("R7b", 503, {"No available channel for model x", "无可用渠道", "模型 x 的可用渠道不存在"});
    phrases("R7b", 500, {"No available channel for model x"});
    for (const char* const sentence : {"Not Found", "This model is fine. The tool was not found", "not found: model"})
        BOOST_TEST(row(404, error_with("message", sentence)) == "R9h", sentence);
    codes("R7a", 403, {"unsupported_country_region_territory"});
    phrases("R7a", 400, {"User location is not supported for the API use."});
    BOOST_TEST(row(400, error_with("code", "unsupported_country_region_territory")) == "R9h");
}

BOOST_AUTO_TEST_CASE(keys_and_overload) {
    codes("R8d", 400, {"invalid_api_key", "organization_restricted"});
    phrases("R8d", 400,
            {"Incorrect API key provided", "Invalid API key", "API key not valid", "Organization has been restricted"});
    BOOST_TEST(row(404, error_with("message", "Invalid API key")) == "R9h");
    codes("R8c", 401, {"key_model_access_denied"});
    codes("R9a", 429, {"engine_overloaded_error", "overloaded_error", "service_tier_capacity_exceeded"});
    phrases("R9a", 429, {"The engine is overloaded", "at capacity", "上游负载已饱和"});
    BOOST_TEST(row(429, error_with("type", "overloaded")) == "R9a");
    BOOST_TEST(row(503, error_with("message", "overloaded")) == "R9d");
    phrases("R9c'", 503, {"Loading model"});
    BOOST_TEST(row(404, error_with("code", "endpoint_not_found")) == "R9h");
}

BOOST_AUTO_TEST_SUITE_END()
