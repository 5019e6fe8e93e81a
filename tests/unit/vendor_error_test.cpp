#include "streamkeeper/vendor_error.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>
#include <sstream>

using namespace streamkeeper;
namespace {

struct Fixture {
    int status = 0;
    std::string content_type, body;
};

std::map<std::string, Fixture> load_fixtures() {
    std::ifstream file(SOURCE_DIR "/tests/fixtures/upstream_errors.json");
    std::stringstream text;
    text << file.rdbuf();
    const boost::json::value all = boost::json::parse(text.str());
    std::map<std::string, Fixture> fixtures;
    for (const auto& item : all.as_array()) {
        Fixture& fixture = fixtures[std::string(item.at("id").as_string())];
        fixture.status = static_cast<int>(item.at("status").as_int64());
        fixture.body = std::string(item.at("body").as_string());
        for (const auto& header : item.at("headers").as_object())
            if (header.key() == "Content-Type") fixture.content_type = std::string(header.value().as_string());
    }
    return fixtures;
}

const std::map<std::string, Fixture>& fixtures() {
    static const auto all = load_fixtures();
    return all;
}

VendorError read(const Fixture& fixture) {
    return read_vendor_error(fixture.status, fixture.content_type, fixture.body);
}
VendorError fixture(const std::string& id) { return read(fixtures().at(id)); }
VendorError json(int status, std::string_view body) { return read_vendor_error(status, "application/json", body); }

/// Every text that a vendor wrote under a name for messages, wherever it stands but in details and echoes.
void collect(const boost::json::value& value, std::vector<std::string>& messages, std::vector<std::string>& codes) {
    if (value.is_array())
        for (const auto& element : value.get_array()) collect(element, messages, codes);
    if (!value.is_object()) return;
    for (const auto& [name, inner] : value.get_object()) {
        if (name == "metadata" || name == "details" || name == "input") continue;
        const bool text = name == "message" || name == "msg" || name == "error" || name == "detail";
        if (inner.is_string() && text)
            messages.emplace_back(inner.get_string());
        else if (inner.is_string() && name == "code" && !inner.get_string().empty())
            codes.emplace_back(inner.get_string());
        else if (inner.is_int64() && name == "code")
            codes.push_back(std::to_string(inner.get_int64()));
        else
            collect(inner, messages, codes);
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vendor_error)

BOOST_AUTO_TEST_CASE(no_fixture_loses_its_message_or_code) {
    BOOST_TEST(fixtures().size() == 96u);
    int with_message = 0, with_code = 0;
    for (const auto& [id, one] : fixtures()) {
        BOOST_TEST_CONTEXT(id) {
            const VendorError error = read(one);
            BOOST_TEST(error.http_status == one.status);
            if (one.status != 200)
                BOOST_TEST(error.eff_status == one.status);
            else
                BOOST_TEST((error.eff_status >= 400) == error.found());
            BOOST_TEST(error.found() == (id != "empty-stream"));
            boost::json::error_code bad;
            const boost::json::value body = boost::json::parse(one.body, bad);
            if (bad) continue;
            std::vector<std::string> messages, codes;
            collect(body, messages, codes);
            for (const std::string& message : messages) BOOST_TEST(error.message.find(message) != std::string::npos);
            for (const std::string& code : codes) BOOST_TEST(error.code == code);
            with_message += !messages.empty();
            with_code += !codes.empty();
        }
    }
    BOOST_TEST(with_message > 75);
    BOOST_TEST(with_code > 50);
}

BOOST_AUTO_TEST_CASE(openai_and_anthropic_objects) {
    const VendorError openai = fixture("openai-stream-options");
    BOOST_TEST(openai.shape == "openai");
    BOOST_TEST(openai.type == "invalid_request_error");
    BOOST_TEST(openai.code == "unknown_parameter");
    BOOST_TEST(openai.param == "stream_options");
    const VendorError anthropic = fixture("anthropic-429-spend");
    BOOST_TEST(anthropic.shape == "anthropic");
    BOOST_TEST(anthropic.type == "rate_limit_error");
    BOOST_TEST(anthropic.request_id == "req_3");
    BOOST_TEST(anthropic.details == R"({"error_code":"enforced_spend_limit_reached"})");
    const VendorError azure =
        json(400, R"({"error":{"message":"filtered","type":null,"param":"prompt","code":"content_filter",
        "status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}})");
    BOOST_TEST(azure.code == "content_filter");
    BOOST_TEST(azure.gstatus == "");
    BOOST_TEST(azure.details == R"({"code":"ResponsibleAIPolicyViolation"})");
}

BOOST_AUTO_TEST_CASE(google_writes_arrays_and_strings_in_strings) {
    const VendorError array = fixture("gemini-429-minute");
    BOOST_TEST(array.shape == "google");
    BOOST_TEST(array.gstatus == "RESOURCE_EXHAUSTED");
    BOOST_TEST(array.code == "429");
    BOOST_TEST(array.details.find("GenerateRequestsPerMinutePerProjectPerModel-FreeTier") != std::string::npos);
    BOOST_TEST(array.details.find("\"retryDelay\":\"34s\"") != std::string::npos);
    const VendorError wrapped = json(
        429,
        R"({"error":{"message":"{\"error\":{\"code\":429,\"message\":\"slow down\",)"
        R"(\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"retryDelay\":\"3s\"}]}}","code":429,"status":"Too Many Requests"}})");
    BOOST_TEST(wrapped.message == "slow down");
    BOOST_TEST(wrapped.gstatus == "RESOURCE_EXHAUSTED");
    BOOST_TEST(wrapped.details == R"([{"retryDelay":"3s"}])");
}

BOOST_AUTO_TEST_CASE(fastapi_details_of_every_kind) {
    BOOST_TEST(fixture("dt-401").shape == "detail");
    BOOST_TEST(fixture("dt-401").message == "Incorrect API key provided");
    BOOST_TEST(fixture("deepinfra-detail").message == "inference prohibited, please enter a payment method");
    const VendorError list = fixture("dt-422");
    BOOST_TEST(list.message == "body.messages: Field required");
    BOOST_TEST(list.param == "body.messages");
    BOOST_TEST(list.code == "missing");
    const VendorError once = json(400, R"({"detail":"{\"error\":{\"message\":\"deep\",\"code\":\"c\"}}"})");
    BOOST_TEST(once.message == "deep");
    BOOST_TEST(once.code == "c");
    const VendorError thrice = json(400, R"({"detail":"{\"detail\":\"{\\\"detail\\\":\\\"deepest\\\"}\"}"})");
    BOOST_TEST(thrice.message == "deepest");
    // Wrapped for ever: unwrapping ends, and what is left is kept as text.
    std::string text = "\"end\"";
    for (int i = 0; i < 6; ++i) text = boost::json::serialize(boost::json::string("{\"detail\":" + text + "}"));
    const VendorError endless = json(400, "{\"detail\":" + text + "}");
    BOOST_TEST(endless.message.find("end") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(flat_and_odd_shapes) {
    BOOST_TEST(fixture("cerebras-429").shape == "top_level");
    BOOST_TEST(fixture("cerebras-429").type == "too_many_tokens_error");
    BOOST_TEST(fixture("xai-400-key").shape == "string");
    BOOST_TEST(fixture("xai-400-key").code == "Client specified an invalid argument");
    BOOST_TEST(fixture("tgi-429").type == "overloaded");
    BOOST_TEST(fixture("together-429-dyn").type == "rate_limit");
    BOOST_TEST(fixture("together-429-dyn").error_type == "dynamic_request_limited");
    const VendorError mistral = fixture("mistral-422-streamopt");
    BOOST_TEST(mistral.type == "invalid_request_error");
    BOOST_TEST(mistral.code == "extra_forbidden");
    BOOST_TEST(mistral.param == "body.stream_options.include_usage");
    BOOST_TEST(mistral.message == "body.stream_options.include_usage: Extra inputs are not permitted");
    const VendorError venice = fixture("venice-array");
    BOOST_TEST(venice.shape == "array");
    BOOST_TEST(venice.param == "stream_options");
    const VendorError fireworks =
        json(401, R"({"fault":{"faultstring":"Invalid key","detail":{"errorcode":"oauth.v2.Bad"}}})");
    BOOST_TEST(fireworks.shape == "fault");
    BOOST_TEST(fireworks.message == "Invalid key");
    BOOST_TEST(fireworks.code == "oauth.v2.Bad");
    const VendorError litellm = json(429, R"({"error":{"message":"m","type":"None","param":"None","code":"429"}})");
    BOOST_TEST(litellm.type == "");
    BOOST_TEST(litellm.param == "");
    BOOST_TEST(litellm.code == "429");
    const VendorError word = json(403, R"({"error":"Forbidden","message":"This key may not do that"})");
    BOOST_TEST(word.message == "This key may not do that");
    BOOST_TEST(word.code == "Forbidden");
    for (const char* body :
         {R"({"message":"m"})", R"({"msg":"m"})", R"({"err":"m"})", R"({"error_msg":"m"})",
          R"({"header":{"message":"m"}})", R"({"response":{"error":{"message":"m"}}})", R"({"error":{"msg":"m"}})",
          R"({"error":{},"message":"m"})", R"({"errors":[{"message":"m"}]})", R"([{"message":"m"}])",
          R"({"error":{"message":{"error":{"message":"m"}}}})"})
        BOOST_TEST(json(500, body).message == "m", body);
    BOOST_TEST(fixture("openrouter-402").metadata.find("openrouter_credits") != std::string::npos);
    BOOST_TEST(fixture("openrouter-402").error_type == "payment_required");
}

BOOST_AUTO_TEST_CASE(what_is_no_json_is_text_or_a_page) {
    const VendorError page = fixture("cf-524");
    BOOST_TEST(page.html);
    BOOST_TEST(page.shape == "html");
    BOOST_TEST(page.message == "524: A timeout occurred");
    BOOST_TEST(read_vendor_error(403, "application/json", " <!DOCTYPE html><html></html>").html);
    BOOST_TEST(!read_vendor_error(403, "text/html", R"({"error":"x"})").html);
    BOOST_TEST(read_vendor_error(403, "text/html", R"({"error":"x"})").message == "x");
    const VendorError text = read_vendor_error(429, "text/plain", "error code: 1015\n");
    BOOST_TEST(text.shape == "text");
    BOOST_TEST(text.message == "error code: 1015");
    BOOST_TEST(read_vendor_error(500, "", std::string(5000, 'x')).message.size() == max_plain_message);
    BOOST_TEST(json(500, R"({"error":{"message":"cut off)").shape == "text");
    BOOST_TEST(fixture("oneapi-429-empty").shape == "empty");
    BOOST_TEST(read_vendor_error(502, "text/html", "\r\n").shape == "empty");
    BOOST_TEST(json(500, "{}").found());
    BOOST_TEST(json(500, "\"text\"").message == "\"text\"");
}

BOOST_AUTO_TEST_CASE(http_status_outranks_the_body_and_a_success_takes_the_bodys) {
    BOOST_TEST(json(429, R"({"error":{"code":500,"message":"m"}})").eff_status == 429);
    BOOST_TEST(json(200, R"({"error":{"code":529,"message":"m"}})").eff_status == 529);
    BOOST_TEST(json(200, R"({"error":{"code":"429","message":"m"}})").eff_status == 429);
    BOOST_TEST(json(200, R"({"error":{"message":"m"},"status_code":503})").eff_status == 503);
    BOOST_TEST(json(200, R"({"error":{"message":"m","http_status_code":424}})").eff_status == 424);
    BOOST_TEST(json(200, R"({"error":{"code":200,"message":"m"}})").eff_status == 500);
    BOOST_TEST(json(200, R"({"error":{"type":"insufficient_quota"}})").eff_status == 429);
    BOOST_TEST(json(200, R"({"error":{"code":"rate_limit_exceeded","type":"invalid_request_error"}})").eff_status ==
               429);
    BOOST_TEST(json(200, R"({"error":{"type":"authentication_error"}})").eff_status == 401);
    BOOST_TEST(json(200, R"({"error":{"type":"permission_error"}})").eff_status == 403);
    BOOST_TEST(json(200, R"({"error":{"code":"model_not_found"}})").eff_status == 404);
    BOOST_TEST(json(200, R"({"error":{"code":"context_length_exceeded"}})").eff_status == 400);
    BOOST_TEST(json(200, R"({"error":{"code":"server_is_overloaded"}})").eff_status == 503);
    BOOST_TEST(json(200, R"({"error":{"code":"vector_store_timeout"}})").eff_status == 504);
    BOOST_TEST(json(200, R"({"error":{"message":"m"}})").eff_status == 500);
    const std::initializer_list<std::pair<const char*, int>> words = {{"insufficient_quota", 429},
                                                                      {"rate_limit_error", 429},
                                                                      {"RESOURCE_EXHAUSTED", 429},
                                                                      {"too_many_requests", 429},
                                                                      {"authentication_error", 401},
                                                                      {"invalid_api_key", 401},
                                                                      {"UNAUTHENTICATED", 401},
                                                                      {"Unauthorized", 401},
                                                                      {"PERMISSION_DENIED", 403},
                                                                      {"NOT_FOUND", 404},
                                                                      {"INVALID_ARGUMENT", 400},
                                                                      {"context_length_exceeded", 400},
                                                                      {"validation", 400},
                                                                      {"image_parse_error", 400},
                                                                      {"unsupported_media_type", 400},
                                                                      {"data_residency_mismatch", 400},
                                                                      {"FAILED_PRECONDITION", 400},
                                                                      {"overloaded_error", 503},
                                                                      {"server_busy", 503},
                                                                      {"UNAVAILABLE", 503},
                                                                      {"timeout_error", 504},
                                                                      {"DEADLINE_EXCEEDED", 504},
                                                                      {"server_error", 500},
                                                                      {"CANCELLED", 500}};
    for (const auto& [word, status] : words)
        for (const std::string member : {"code", "type", "status"})
            BOOST_TEST(
                json(200, "{\"error\":{\"message\":\"m\",\"" + member + "\":\"" + word + "\"}}").eff_status == status,
                word);
    BOOST_TEST(fixture("deepseek-keepalive-json").eff_status == 503);
    BOOST_TEST(fixture("newapi-200-html").eff_status == 502);
}

BOOST_AUTO_TEST_CASE(an_answer_is_no_error) {
    for (
        const char* body : {
            R"({"id":"c","object":"chat.completion","choices":[{"message":{"content":"{\"error\":1}"}}],"error":null})",
            R"({"id":"r","object":"response","status":"completed","error":null,"output":[]})",
            R"({"type":"message","content":[{"type":"text","text":"x"}]})",
            R"({"object":"list","data":[]})",
            R"({"model":"m","message":{"role":"assistant","content":"x"}})",
            R"([])",
        }) {
        const VendorError error = json(200, body);
        BOOST_TEST(!error.found(), body);
        BOOST_TEST(error.eff_status == 200);
    }
    BOOST_TEST(json(200, R"({"choices":[{"error":{"code":502,"message":"m"},"finish_reason":"error"}]})").eff_status ==
               502);
}

BOOST_AUTO_TEST_CASE(errors_inside_streams) {
    BOOST_TEST(fixture("anthropic-instream-overload").message == "Overloaded");
    BOOST_TEST(fixture("anthropic-instream-overload").eff_status == 503);
    BOOST_TEST(fixture("openai-instream-failed").code == "rate_limit_exceeded");
    BOOST_TEST(fixture("openai-instream-failed").eff_status == 429);
    BOOST_TEST(fixture("openai-instream-responses").code == "server_is_overloaded");
    BOOST_TEST(fixture("openai-instream-responses").type == "");
    BOOST_TEST(fixture("openrouter-instream").eff_status == 502);
    BOOST_TEST(!fixture("empty-stream").found());
    const auto stream = [](std::string_view body) { return read_vendor_error(200, "text/event-stream", body); };
    BOOST_TEST(stream("data: {\"object\":\"error\",\"message\":\"m\",\"type\":\"T\",\"code\":500}").eff_status == 500);
    BOOST_TEST(stream("event: error\ndata: {\"message\":\"m\"}\n\n").message == "m");
    BOOST_TEST(stream("event: error\ndata: plain words\n\n").message == "plain words");
    BOOST_TEST(stream("error: {\"code\":500,\"message\":\"m\"}\n\n").message == "m");
    BOOST_TEST(stream("data: {\"error\":{},\"status_code\":429}\n\n").eff_status == 429);
    // One JSON document, though its type promises events; and events without a type, after a comment.
    BOOST_TEST(stream(R"({"error":{"code":429,"message":"m"}})").eff_status == 429);
    BOOST_TEST(json(200, ": OPENROUTER PROCESSING\n\ndata: {\"error\":{\"code\":429}}\n\n").eff_status == 429);
}

BOOST_AUTO_TEST_SUITE_END()
