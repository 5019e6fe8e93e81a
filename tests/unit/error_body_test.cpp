#include "streamkeeper/error_body.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>

using namespace streamkeeper;
namespace {

ApiError whole_error() {
    ApiError error;
    error.status = 402;
    error.type = "billing_error";
    error.code = "quota_exceeded";
    error.message = "apertis: balance used up (402 quota_exceeded).";
    error.request_id = "r1";
    error.upstream = "apertis";
    error.model = "gpt-4.1";
    error.reason = "billing";
    error.hint = "Top up or add a key.";
    error.vendor_body = "{\"x\":1}";
    error.attempts = {{"apertis", "payg", 402, "", 81}, {"apertis", "spare", 0, "upstream_timeout", 3000}};
    return error;
}

std::string openai(const ApiError& error) { return render_error(Endpoint::chat_completions, error); }
std::string anthropic_type_of(int status) {
    ApiError error;
    error.status = status;
    const boost::json::value body = boost::json::parse(render_error(Endpoint::messages, error));
    return std::string(body.at("error").at("type").as_string());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(error_body)

BOOST_AUTO_TEST_CASE(an_error_has_the_shape_of_the_contract) {
    BOOST_TEST(openai(whole_error()) ==
               R"({"error":{"message":"apertis: balance used up (402 quota_exceeded).","type":"billing_error",)"
               R"("code":"quota_exceeded","param":null,"streamkeeper":{"request_id":"r1","upstream":"apertis",)"
               R"("model":"gpt-4.1","reason":"billing","attempts":[)"
               R"({"upstream":"apertis","key":"payg","status":402,"ms":81},)"
               R"({"upstream":"apertis","key":"spare","cause":"upstream_timeout","ms":3000}],)"
               R"("hint":"Top up or add a key.","vendor_body":"{\"x\":1}"}}})");
}

BOOST_AUTO_TEST_CASE(empty_members_are_left_out) {
    ApiError error;
    error.status = 400;
    error.message = "no";
    BOOST_TEST(openai(error) == R"({"error":{"message":"no","type":"api_error","code":null,"param":null}})");
    error.type = "invalid_request_error";
    error.param = "model";
    error.request_id = "r1";
    BOOST_TEST(openai(error) ==
               R"({"error":{"message":"no","type":"invalid_request_error","code":null,"param":"model",)"
               R"("streamkeeper":{"request_id":"r1"}}})");
    BOOST_TEST(render_error(Endpoint::other, error) == openai(error));
}

BOOST_AUTO_TEST_CASE(messages_get_anthropics_shape_and_vocabulary) {
    ApiError error = whole_error();
    error.attempts.clear();
    error.vendor_body.clear();
    BOOST_TEST(
        render_error(Endpoint::messages, error) ==
        R"({"type":"error","error":{"type":"billing_error",)"
        R"("message":"apertis: balance used up (402 quota_exceeded).","code":"quota_exceeded"},"request_id":"r1",)"
        R"("streamkeeper":{"request_id":"r1","upstream":"apertis","model":"gpt-4.1","reason":"billing",)"
        R"("hint":"Top up or add a key."}})");
    BOOST_TEST(anthropic_type_of(400) == "invalid_request_error");
    BOOST_TEST(anthropic_type_of(401) == "authentication_error");
    BOOST_TEST(anthropic_type_of(403) == "permission_error");
    BOOST_TEST(anthropic_type_of(404) == "not_found_error");
    BOOST_TEST(anthropic_type_of(413) == "request_too_large");
    BOOST_TEST(anthropic_type_of(429) == "rate_limit_error");
    BOOST_TEST(anthropic_type_of(503) == "overloaded_error");
    BOOST_TEST(anthropic_type_of(529) == "overloaded_error");
    BOOST_TEST(anthropic_type_of(504) == "timeout_error");
    BOOST_TEST(anthropic_type_of(502) == "api_error");
}

BOOST_AUTO_TEST_CASE(whatever_a_vendor_said_the_body_is_json_on_one_line) {
    ApiError error = whole_error();
    error.message = "quote \" backslash \\ line\r\n zero" + std::string(1, '\0') + " bad \xff\xc0\xed\xa0\x80 é 😀";
    error.vendor_body = error.message;
    for (const Endpoint endpoint : {Endpoint::chat_completions, Endpoint::messages}) {
        const std::string body = render_error(endpoint, error);
        BOOST_TEST(body.find_first_of("\r\n") == body.npos);
        const boost::json::value parsed = boost::json::parse(body);
        const std::string message(parsed.at("error").at("message").as_string());
        BOOST_TEST(message.starts_with("quote \" backslash \\ line\r\n zero"));
        BOOST_TEST(message.ends_with("é 😀"));
    }
}

BOOST_AUTO_TEST_CASE(a_vendors_body_is_cut_at_4_KiB_between_characters) {
    ApiError error;
    for (std::size_t ascii = 0; ascii < 4; ++ascii) {
        error.vendor_body = std::string(ascii, 'a');
        while (error.vendor_body.size() < 5000) error.vendor_body += "😀";
        const boost::json::value body = boost::json::parse(openai(error));
        const std::string shown(body.at("error").at("streamkeeper").at("vendor_body").as_string());
        BOOST_TEST(shown.size() == (ascii == 0 ? 4096u : 4092u + ascii));
        BOOST_TEST(error.vendor_body.starts_with(shown));
    }
    error.vendor_body = std::string(4096, 'x');
    BOOST_TEST(openai(error).find(error.vendor_body) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(secrets_are_masked_in_place) {
    BOOST_TEST(mask_secrets("key sk-1234 and sk-1234", {"sk-1234"}) == "key ******* and *******");
    BOOST_TEST(mask_secrets("sk-1234", {}) == "sk-1234");
    BOOST_TEST(mask_secrets("sk-1234", {""}) == "sk-1234");
    BOOST_TEST(mask_secrets("sk-abc-def", {"sk-abc", "sk-abc-def"}) == "**********");
    BOOST_TEST(mask_secrets("sk-abc-def", {"sk-abc-def", "sk-abc"}) == "**********");
    BOOST_TEST(mask_secrets("xababa", {"aba"}) == "x*****");
    BOOST_TEST(mask_secrets("abcd", {"abc", "bcd"}) == "****");
    BOOST_TEST(mask_secrets("", {"a"}) == "");
}

BOOST_AUTO_TEST_CASE(no_part_of_a_secret_survives_in_an_error) {
    const std::string secret = "sk-secret-0123456789";
    ApiError error;
    error.message = "Incorrect API key provided: " + secret;
    error.code = secret;
    error.param = secret;
    // The secret lies across the place where the body is cut.
    error.vendor_body = std::string(4090, 'x') + secret;
    for (const Endpoint endpoint : {Endpoint::chat_completions, Endpoint::messages}) {
        const std::string body = render_error(endpoint, error, {secret});
        BOOST_TEST(body.find("sk-") == body.npos);
        boost::json::parse(body);
    }
}

BOOST_AUTO_TEST_SUITE_END()
