#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>

#include "streamkeeper/continuation.hpp"

using namespace streamkeeper;

namespace {

constexpr Endpoint chat = Endpoint::chat_completions, messages = Endpoint::messages;

std::string answer(const std::string& text) {
    return R"( {"choices":[{"index":0,"message":{"role":"assistant","content":)" + json::quote(text) + "}}]}";
}

/// `exact`, `echo` or nothing.
std::string meaning(Endpoint endpoint, const std::string& document, bool echoes = false) {
    const std::optional<Seam> seam = read_probe(endpoint, document, echoes);
    return !seam ? "" : *seam == Seam::exact ? "exact" : "echo";
}

VendorError refusal(int status, const std::string& message) {
    VendorError error;
    error.http_status = error.eff_status = status;
    error.shape = "openai";
    error.message = message;
    return error;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(probe)

BOOST_AUTO_TEST_CASE(a_probe_leaves_a_word_open) {
    const std::string turn =
        R"("messages":[{"role":"user","content":"Repeat exactly, nothing else: alpha bravo charlie delta echo"},)"
        R"({"role":"assistant","content":"alpha bravo char")";
    BOOST_CHECK_EQUAL(probe_body(chat, "a\"b", Prefill::trailing, ""),
                      R"({"model":"a\"b",)" + turn + R"(}],"max_tokens":8,"temperature":0})");
    BOOST_CHECK_EQUAL(probe_body(chat, "m", Prefill::prefix, ""),
                      R"({"model":"m",)" + turn + R"(,"prefix":true}],"max_tokens":8,"temperature":0})");
    BOOST_CHECK_EQUAL(probe_body(chat, "m", Prefill::partial, R"("tools":[1],"tool_choice":"auto")"),
                      R"({"model":"m",)" + turn +
                          R"(,"partial":true}],"max_tokens":8,"temperature":0,"tools":[1],"tool_choice":"auto"})");
    BOOST_CHECK_EQUAL(
        probe_body(chat, "m", Prefill::continue_final_message, R"("tools":[1],"reasoning_effort":"low")"),
        R"({"model":"m",)" + turn +
            R"(}],"max_tokens":8,"continue_final_message":true,"add_generation_prompt":false,"tools":[1],"reasoning_effort":"low"})");
    for (const Prefill prefill : {Prefill::prefix, Prefill::partial, Prefill::continue_final_message})
        BOOST_CHECK_EQUAL(probe_body(messages, "m", prefill, ""),
                          R"({"model":"m",)" + turn + R"(}],"max_tokens":8,"temperature":0})");
}

BOOST_AUTO_TEST_CASE(only_the_rest_of_the_word_is_a_continuation) {
    BOOST_CHECK_EQUAL(meaning(chat, answer("lie delta echo")), "exact");
    BOOST_CHECK_EQUAL(meaning(chat, answer("lie delta echo"), true), "exact");
    for (const std::string text : {" lie delta echo", "charlie delta echo", "Lie", "", "\nlie", "alpha bravo charlie",
                                   "Sure! alpha", "li", " delta echo"})
        BOOST_CHECK_EQUAL(meaning(chat, answer(text)), "");
}

BOOST_AUTO_TEST_CASE(an_echo_counts_only_where_it_is_known) {
    BOOST_CHECK_EQUAL(meaning(chat, answer("alpha bravo charlie delta"), true), "echo");
    BOOST_CHECK_EQUAL(meaning(chat, answer("alpha bravo charlie delta"), false), "");
    BOOST_CHECK_EQUAL(meaning(chat, answer(" alpha bravo charlie"), true), "");
    BOOST_CHECK_EQUAL(meaning(chat, answer("Alpha bravo charlie"), true), "");
}

BOOST_AUTO_TEST_CASE(the_text_is_found_in_each_dialect) {
    BOOST_CHECK_EQUAL(meaning(messages, R"({"type":"message","content":[{"type":"text","text":"lie delta"}]})"),
                      "exact");
    BOOST_CHECK_EQUAL(meaning(messages, R"({"content":[{"type":"thinking","thinking":"lie"},)"
                                        R"({"type":"text","text":"lie delta"}]})"),
                      "exact");
    BOOST_CHECK_EQUAL(meaning(messages, R"({"content":[{"type":"text","text":"Here"},{"type":"text","text":"lie"}]})"),
                      "");
    BOOST_CHECK_EQUAL(meaning(messages, R"({"content":[{"type":"tool_use","text":"lie"}]})"), "");
    BOOST_CHECK_EQUAL(
        meaning(chat, R"({"choices":[{"message":{"content":[{"type":"thinking"},{"type":"text","text":"lie"}]}}]})"),
        "exact");
    BOOST_CHECK_EQUAL(meaning(chat, R"({"choices":[{"message":{"content":"\u006cie"}}]})"), "exact");
    for (const std::string document :
         {"", "lie", "{", "null", "[]", R"("lie")", R"({"choices":[]})", R"({"choices":{}})", R"({"choices":["lie"]})",
          R"({"choices":[{"message":"lie"}]})", R"({"choices":[{"message":{"content":null}}]})",
          R"({"choices":[{"message":{"content":null,"reasoning_content":"lie"}}]})", R"({"error":{"message":"lie"}})",
          R"({"content":[{"type":"text","text":"lie"}]})"})
        BOOST_CHECK_EQUAL(meaning(chat, document), "");
}

BOOST_AUTO_TEST_CASE(vendors_refuse_an_open_turn_in_many_words) {
    for (const std::string text :
         {"This model does not support assistant message prefill. The conversation must end with a user message.",
          "Assistant response prefill is incompatible with enable_thinking.",
          "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
          "Assistant prefilling is not supported",
          "Cannot set `add_generation_prompt` to True when the last message is from the assistant. Consider using "
          "`continue_final_message` instead.",
          "continue_final_message is set but the final message does not appear in the chat", "substring not found",
          "The last message of deepseek-reasoner must be a user message, or an assistant message with prefix mode on",
          "Unrecognized request argument supplied: continue_final_message",
          "'messages.1' : for 'role:assistant' the following must be satisfied: property 'prefix' is unsupported",
          "Additional properties are not allowed ('partial' was unexpected)",
          "Conversation roles must alternate user/assistant/user/assistant/...",
          "Last message must have role `user` or `tool`", "Please ensure that multiturn requests end with a user turn",
          "messages: roles must be in order"}) {
        BOOST_CHECK_MESSAGE(refuses_prefill(refusal(400, text)), text);
        BOOST_CHECK_MESSAGE(refuses_prefill(refusal(422, text)), text);
        for (const int status : {200, 401, 403, 404, 429, 500, 503})
            BOOST_CHECK_MESSAGE(!refuses_prefill(refusal(status, text)), text);
    }
}

BOOST_AUTO_TEST_CASE(other_refusals_teach_nothing) {
    for (const std::string text :
         {"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
          "prompt is too long: 210000 tokens > 200000 maximum", "Your credit balance is too low",
          "max_tokens must be at least 1", "The request was rejected by our content policy", "Invalid API key",
          "final assistant content cannot end with trailing whitespace", "unknown model: prefixer-7b", ""})
        BOOST_CHECK_MESSAGE(!refuses_prefill(refusal(400, text)), text);
}

BOOST_AUTO_TEST_CASE(code_parameter_and_details_are_read_too) {
    VendorError error = refusal(400, "Bad request");
    error.code = "prefill_not_supported";
    BOOST_CHECK(refuses_prefill(error));
    error.code = "unknown_parameter";
    BOOST_CHECK(!refuses_prefill(error));
    error.param = "messages[2].prefix";
    BOOST_CHECK(refuses_prefill(error));
    error = refusal(422, "");
    error.details = R"([{"type":"extra_forbidden","loc":["body","messages",2,"partial"],"input":true}])";
    BOOST_CHECK(refuses_prefill(error));
    // The request's own words are no complaint.
    error.details = R"([{"type":"missing","loc":["body","input"],"input":"what is an assistant message prefill?"}])";
    BOOST_CHECK(!refuses_prefill(error));
    error = refusal(200, "prefill is not supported");
    error.eff_status = 400;  // an error inside a 200
    BOOST_CHECK(refuses_prefill(error));
}

BOOST_AUTO_TEST_SUITE_END()
