// What each vendor writes, and traps in it.
#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>

#include "judged.hpp"

using namespace streamkeeper;
using namespace streamkeeper::judged;
namespace {

struct Case {
    int status;
    const char* body;
    const char* expected;
};

void check(std::initializer_list<Case> cases) {
    for (const Case& one : cases) BOOST_TEST(judge_json(one.status, one.body) == one.expected, one.body);
}

std::string judge_stream(std::string body) {
    return text_of(judge(outcome_of({200, {{"Content-Type", "text/event-stream"}}, std::move(body)})));
}

std::string with_message(const std::string& text) {
    return boost::json::serialize(boost::json::value{{"error", {{"message", text}}}});
}

constexpr const char *context = "R4 other_model context_length", *billing_code = "R2c other_key billing",
                     *billing_text = "R2d other_key billing", *model = "R7b refresh_model_list model_not_found",
                     *bad_request = "R9h fail_now bad_request", *rate = "R9b retry_after_wait rate_limit",
                     *policy = "R5 fail_now content_policy", *overload = "R9a retry_after_wait overload";

}  // namespace

BOOST_AUTO_TEST_SUITE(judge_vendors)

BOOST_AUTO_TEST_CASE(codes_are_compared_whole) {
    check({
        {429, R"({"error":{"code":"quota_exceeded","message":"m"}})", billing_code},
        {429, R"({"error":{"code":"token_quota_exceeded","message":"m"}})", rate},
        {429, R"({"error":{"code":"x_insufficient_quota","message":"m"}})", rate},
        {429, R"({"error":{"type":"insufficient_quota","message":"m"}})", billing_code},
        {429, R"({"error":"m","error_type":"insufficient_quota"})", billing_code},
        {400, R"({"error":{"code":400,"message":"m","metadata":{"error_type":"context_length_exceeded"}}})", context},
        {429, R"({"error":"insufficient_quota"})", billing_code},
        {403, R"({"error":"quota_exceeded","message":"The quota of this key is gone"})", billing_code},
        {400, R"({"error":{"code":"my_model_not_found","message":"m"}})", bad_request},
        {400, R"({"error":{"code":"content_filtered","message":"m"}})", bad_request},
    });
}

BOOST_AUTO_TEST_CASE(what_a_body_echoes_is_not_read) {
    // The prompt speaks of everything that the table looks for; the message does not.
    const std::string echo =
        "You exceeded your current quota, insufficient_quota, model x does not exist, maximum context length, "
        "API_KEY_INVALID, stream_options, content_filter, overloaded, try again in 5s";
    const auto body = [&](const std::string& member) {
        return R"({"error":{"message":"Bad value","type":"t","param":"p"},")" + member + R"(":")" + echo + "\"}";
    };
    for (const char* member : {"input", "request", "prompt", "messages", "note"})
        BOOST_TEST(judge_json(400, body(member)) == bad_request);
    BOOST_TEST(judge_json(422,
                          R"({"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":{"reason":)"
                          R"("API_KEY_INVALID","code":"ResponsibleAIPolicyViolation"}}]})") == bad_request);
    BOOST_TEST(judge_json(429, body("input")) == rate);
    BOOST_TEST(judge_json(403, R"({"error":{"message":"m","metadata":{"flagged_input":")" + echo + R"("}}})") ==
               "R8c other_key auth");
}

BOOST_AUTO_TEST_CASE(openai_and_azure) {
    check({
        {429, R"({"error":{"message":"Slow down","code":"slow_down"}})", rate},
        {429,
         R"({"error":{"code":"rate_limit_exceeded","type":"tokens","message":"Rate limit reached: Limit 30000, Used 29000, Requested 2000."}})",
         rate},
        {429,
         R"({"error":{"code":"rate_limit_exceeded","type":"tokens","message":"Rate limit reached: Limit 30,000, Used 0, Requested 30,001."}})",
         "R3a other_model request_too_large"},
        {429, R"({"error":{"code":"rate_limit_exceeded","message":"Requests: limit: 100 / min, requested: 101"}})",
         "R3a other_model request_too_large"},
        {401, R"({"error":{"code":"invalid_api_key","message":"Incorrect API key provided: sk-x"}})",
         "R8a other_key auth"},
        {401, R"({"error":{"message":"You must be a member of an organization to use the API"}})",
         "R8a other_key auth"},
        {400, R"({"error":{"code":"invalid_prompt","message":"m"}})", policy},
        {400, R"({"error":{"message":"Your request appears to violate our usage policies. Rephrase it."}})", policy},
        {400,
         R"({"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}})",
         policy},
        {400, R"({"error":{"message":"filtered","code":"x","innererror":{"code":"ResponsibleAIPolicyViolation"}}})",
         policy},
        {403, R"({"error":{"code":"model_not_found","message":"Project does not have access to model x"}})", model},
        {403, R"({"error":{"message":"Country, region","code":"unsupported_country_region_territory"}})",
         "R7a fail_now geo"},
        {404, R"({"error":{"code":"DeploymentNotFound","message":"m"}})", model},
        {400, R"({"error":{"message":"Unrecognized request argument supplied: stream_options"}})",
         "R6 retry_same unsupported_param"},
        {400, R"({"error":{"message":"string too long: maximum context length","code":"string_above_max_length"}})",
         bad_request},
        {400, R"({"error":{"message":"Your input exceeds the context window of this model."}})", context},
        {429, R"({"error":{"message":"maximum context length"}})", rate},
    });
}

BOOST_AUTO_TEST_CASE(anthropic) {
    check({
        {400,
         R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 213462 tokens > 200000 maximum"}})",
         context},
        {400,
         R"({"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 197202 + 21333 > 200000"}})",
         context},
        {400,
         R"({"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-01-01"}})",
         billing_text},
        {404, R"({"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}})", model},
        {404, R"({"type":"error","error":{"type":"not_found_error","message":"Not found"}})", bad_request},
        {402, R"({"type":"error","error":{"type":"billing_error","message":"m"}})", "R2b other_key billing"},
        {403, R"({"type":"error","error":{"type":"permission_error","message":"m"}})", "R8c other_key auth"},
        {409, R"({"type":"error","error":{"type":"conflict_error","message":"m"}})", "R9f retry_same server"},
        {413, R"({"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}})",
         "R3b fail_now request_too_large"},
        {500, R"({"type":"error","error":{"type":"api_error","message":"m"}})", "R9f retry_same server"},
        {504, R"({"type":"error","error":{"type":"timeout_error","message":"m"}})", "R9e retry_same timeout"},
        {529, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})",
         "R9d retry_same overload"},
        {429, R"({"error":{"code":"rate_limit_error","type":"invalid_request_error","message":"m"}})", rate},
        {400, R"({"error":{"message":"m","details":{"error_code":"enforced_spend_limit_reached"}}})", bad_request},
    });
}

BOOST_AUTO_TEST_CASE(gemini_first_by_its_shape) {
    const auto limit = [](const std::string& id, const std::string& message = "You exceeded your current quota") {
        return judge_json(429, R"([{"error":{"code":429,"message":")" + message +
                                   R"(","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":")" + id +
                                   R"("}]}]}}])");
    };
    BOOST_TEST(limit("GenerateRequestsPerMinutePerProjectPerModel") == "R1d retry_after_wait rate_limit 60000000");
    BOOST_TEST(limit("x") == "R1d retry_after_wait rate_limit");
    BOOST_TEST(limit("PerMinute", "Please retry in 7s.") == "R1d retry_after_wait rate_limit 7000000");
    BOOST_TEST(limit("GenerateRequestsPerDayPerProjectPerModel") == "R1c other_model quota_model");
    BOOST_TEST(limit("DailyRequests") == "R1c other_model quota_model");
    BOOST_TEST(limit("PerMinute", "Quota exceeded for metric: x, limit: 0, model: y") == "R1c other_model quota_model");
    BOOST_TEST(limit("PerMinute", "limit: 0") == "R1c other_model quota_model");
    BOOST_TEST(limit("PerMinute", "limit: 05, limit: 0.5") == "R1d retry_after_wait rate_limit 60000000");
    check({
        {429,
         R"({"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m","details":[{"reason":"MODEL_CAPACITY_EXHAUSTED"},{"retryDelay":"7s"}]}})",
         "R1b other_model overload 7000000"},
        {400,
         R"([{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}])",
         "R7a fail_now geo"},
        {400,
         R"([{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (5).","status":"INVALID_ARGUMENT"}}])",
         context},
        {400, R"([{"error":{"code":400,"message":"Invalid value","status":"INVALID_ARGUMENT"}}])", bad_request},
        {404,
         R"([{"error":{"code":404,"message":"models/gemini-9 is not found for API version v1main, or is not supported","status":"NOT_FOUND"}}])",
         model},
        {504, R"([{"error":{"code":504,"message":"m","status":"DEADLINE_EXCEEDED"}}])", "R9e retry_same timeout"},
        {499, R"([{"error":{"code":499,"message":"m","status":"CANCELLED"}}])", "R9f retry_same server"},
        // The same behind gateways, where only the text is left of it.
        {429,
         R"({"error":{"message":"litellm.RateLimitError: VertexAIException - {\"error\":{\"code\":429,\"message\":\"You exceeded your current quota\",\"status\":\"RESOURCE_EXHAUSTED\"}}","type":"None","code":"429"}})",
         "R1d retry_after_wait rate_limit"},
        {429,
         R"({"error":{"message":"{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"retryDelay\":\"3s\"}]}}","code":429}})",
         "R1d retry_after_wait rate_limit 3000000"},
        {429,
         R"({"error":{"message":"You exceeded your current quota. See https://ai.google.dev/gemini-api/docs/rate-limits. Please retry in 3s.","code":429}})",
         "R1d retry_after_wait rate_limit 3000000"},
        {429, R"({"error":{"message":"You exceeded your current quota, please check your plan and billing details."}})",
         billing_text},
    });
}

BOOST_AUTO_TEST_CASE(gateways) {
    check({
        {429, R"({"error":{"message":"litellm.RateLimitError: m","type":"None","param":"None","code":"429"}})", rate},
        {429,
         R"({"error":{"message":"No deployments available for selected model, Try again in 60 seconds.","type":"None","code":"429"}})",
         "R9b retry_after_wait rate_limit 60000000"},
        {429, R"({"error":{"message":"m","type":"budget_exceeded","code":"429"}})", billing_code},
        {400, R"({"error":{"message":"litellm.ContentPolicyViolationError: m","type":null,"code":"400"}})", policy},
        {401, R"({"error":{"message":"m","type":"key_model_access_denied","code":"401"}})", "R8c other_key auth"},
        {400, R"({"error":{"message":"Invalid model name passed in model=x. Call `/v1/models`","code":"400"}})", model},
        {403, R"({"error":{"message":"m","type":"new_api_error","code":"pre_consume_token_quota_failed"}})",
         billing_code},
        {401, R"({"error":{"message":"该令牌额度已用尽","type":"new_api_error"}})", billing_text},
        {500, R"({"error":{"message":"账户余额不足","type":"one_api_error"}})", billing_text},
        {403, R"({"error":{"message":"您的账户已欠费"}})", billing_text},
        {503,
         R"({"error":{"message":"No available channel for model x under group default","type":"new_api_error","code":""}})",
         model},
        {503, R"({"error":{"message":"当前分组下对于模型 x 无可用渠道","type":"new_api_error","code":""}})", model},
        {404, R"({"error":{"message":"无可用渠道"}})", bad_request},
        {413, R"({"error":{"message":"m","code":"read_request_body_failed"}})", "R3b fail_now request_too_large"},
        {400, R"({"error":{"message":"m","code":"prompt_blocked"}})", policy},
        {403, R"({"error":{"message":"Key limit exceeded (total limit). Manage it","code":403}})", billing_text},
        {404, R"({"error":{"message":"No endpoints found for x/y.","code":404}})", model},
        {400, R"({"error":{"message":"x/y is not a valid model ID","code":400}})", model},
        {429, R"({"error":{"message":"Monthly usage limit reached. Resets in 16 days."}})", billing_text},
        {429, R"({"error":{"message":"Concurrency limit reached for requests"}})", rate},
    });
    BOOST_TEST(judge_json(403, R"({"error":{"message":"m","metadata":{"reasons":[]}}})") == "R8c other_key auth");
    BOOST_TEST(judge_json(400, R"({"error":{"message":"m","metadata":{"reasons":["x"]}}})") == bad_request);
}

BOOST_AUTO_TEST_CASE(other_vendors) {
    check({
        {413,
         R"({"error":{"message":"Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 12328"}})",
         "R3a other_model request_too_large"},
        {498, R"({"error":{"message":"m","code":"capacity_exceeded"}})", "R9d retry_same overload"},
        {400, R"({"error":{"message":"Organization has been restricted","code":"organization_restricted"}})",
         "R8d other_key auth"},
        {400, R"({"error":{"message":"Failed to call a function.","code":"tool_use_failed","failed_generation":"x"}})",
         bad_request},
        {404, R"({"error":"Model not found, inaccessible, and/or not deployed"})", model},
        {401, R"({"fault":{"faultstring":"Invalid key","detail":{"errorcode":"oauth.v2"}}})", "R8a other_key auth"},
        {412, R"({"error":{"message":"Precondition failed"}})", bad_request},
        {429,
         R"({"object":"error","message":"Service tier capacity exceeded for this model.","type":"service_tier_capacity_exceeded","code":"3505"})",
         overload},
        {429, R"({"object":"error","message":{"detail":"Rate limit exceeded"},"type":"rate_limited","code":"1300"})",
         rate},
        {400, R"({"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"})", model},
        {400, R"({"error":{"message":"Model Not Exist","type":"invalid_request_error"}})", model},
        {429,
         R"({"code":"x","error":"Your team has used all available credits or reached its monthly spending limit."})",
         billing_text},
        {403, R"({"code":"x","error":"You have run out of credits"})", billing_text},
        {400,
         R"({"code":"x","error":"This model's maximum prompt length is 131072 but the request contains 537812 tokens."})",
         context},
        {400, R"({"message":"Please reduce. Current length is 9000 while limit is 8192","code":"x"})", context},
        {404, R"({"error":{"message":"Not found the model x or Permission denied","type":"resource_not_found_error"}})",
         model},
        {400,
         R"({"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000","type":"BadRequestError","code":400})",
         context},
        {401, R"({"error":"Unauthorized"})", "R8a other_key auth"},
        {503,
         R"({"error":{"message":"server busy, please try again.  maximum pending requests exceeded","type":"api_error"}})",
         "R9d retry_same overload"},
        {404, R"({"error":"model \"x\" not found, try pulling it first"})", model},
        {400, R"({"error":"No models loaded. Please load a model"})", model},
        {400,
         R"({"error":"The number of tokens to keep from the initial prompt is greater than the context length. n_keep: 13055>= n_ctx: 4096"})",
         context},
        {422,
         R"({"error":"Input validation error: inputs tokens + max_new_tokens must be <= 4096","error_type":"validation"})",
         context},
        {500, R"({"error":"m","error_type":"incomplete_generation"})", "R9f retry_same server"},
        {404, R"({"error":{"message":"Endpoint for model not found","code":"endpoint_not_found"}})", bad_request},
        {404, R"({"error":{"message":"This model has no tools. The tool was not found"}})", bad_request},
        {410, "", model},
        {404, "404 page not found", bad_request},
        {404, "", bad_request},
        {400, R"({"detail":"{\"error\":{\"message\":\"m\",\"code\":\"context_length_exceeded\"}}"})", context},
        {413, "", "R3c other_model context_length"},
        {429, "Too Many Requests", rate},
        {505, "", "R9g fail_now bad_request"},
    });
}

BOOST_AUTO_TEST_CASE(errors_inside_a_success) {
    check({
        {200, R"({"error":{"code":429,"message":"m"}})", rate},
        {200, R"({"error":{"code":"502","message":"m"}})", "R9f retry_same server"},
        {200, R"({"error":{"type":"insufficient_quota","message":"m"}})", billing_code},
        {200, R"([{"error":{"code":503,"message":"m"}}])", "R9d retry_same overload"},
        {200, R"({"object":"error","message":"m","code":404})", bad_request},
        {200, R"({"error":{"status":"RESOURCE_EXHAUSTED","message":"m"}})", "R1d retry_after_wait rate_limit"},
    });
    BOOST_TEST(judge_stream("data: {\"error\":{\"message\":\"m\",\"http_status_code\":424}}\n\n") ==
               "R9f retry_same server");
    BOOST_TEST(judge_stream("data: {\"error\":{\"message\":\"m\"},\"status_code\":429}\n\n") == rate);
    BOOST_TEST(judge_stream(
                   ": hb\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"authentication_error\"}}") ==
               "R8a other_key auth");
    BOOST_TEST(
        judge_stream("data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\"}}}\n\n") ==
        "R9f retry_same server");
    BOOST_TEST(judge_stream("data: {\"type\":\"error\",\"code\":\"image_parse_error\",\"message\":\"m\"}\n\n") ==
               bad_request);
    BOOST_TEST(judge_stream("data: {\"type\":\"error\",\"code\":\"bio_policy\",\"message\":\"m\"}\n\n") == policy);
    BOOST_TEST(judge_stream(": OPENROUTER PROCESSING\n\n") == "R0a retry_same empty_stream");
    BOOST_TEST(judge_stream("data: [DONE]\n\n") == "R0a retry_same empty_stream");
    BOOST_TEST(judge_stream("") == "R0a retry_same empty_stream");
}

BOOST_AUTO_TEST_CASE(a_huge_message_is_searched_at_its_ends) {
    const std::string echo(1 << 20, 'x');
    BOOST_TEST(judge_json(400, with_message("prompt is too long: " + echo)) == context);
    BOOST_TEST(judge_json(400, with_message(echo + " maximum context length")) == context);
    BOOST_TEST(judge_json(400, with_message(echo + " maximum context length " + echo)) == bad_request);
}

BOOST_AUTO_TEST_SUITE_END()
