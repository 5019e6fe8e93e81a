#include "streamkeeper/dialect.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <random>

using namespace streamkeeper;
namespace {

/// The facts that are set, by name, in the order of the header; the finish reason in brackets.
std::string facts_of(Endpoint endpoint, std::string_view event) {
    std::string joined;
    const EventFacts facts = dialect_of(endpoint)->read(sse::read(event, joined));
    std::string text;
    const auto add = [&text](bool set, std::string_view name) {
        if (set) text.append(text.empty() ? "" : " ").append(name);
    };
    add(facts.payload, "payload");
    add(facts.finish, "finish");
    add(facts.terminal, "terminal");
    add(facts.usage, "usage");
    add(facts.usage_only, "usage_only");
    add(facts.error, "error");
    add(facts.failed, "failed");
    add(!facts.finish_reason.empty(), "[" + std::string(facts.finish_reason) + "]");
    return text;
}

std::string data(std::string_view json) { return "data: " + std::string(json) + "\n\n"; }
std::string chat(std::string_view json) { return facts_of(Endpoint::chat_completions, data(json)); }
std::string completion(std::string_view json) { return facts_of(Endpoint::completions, data(json)); }
std::string responses(std::string_view json) { return facts_of(Endpoint::responses, data(json)); }
std::string messages(std::string_view json) { return facts_of(Endpoint::messages, data(json)); }
std::string delta(std::string_view members) {
    return chat(
        R"({"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{)" +
        std::string(members) + R"(},"logprobs":null,"finish_reason":null}],"usage":null})");
}

constexpr Endpoint streaming[] = {Endpoint::chat_completions, Endpoint::completions, Endpoint::responses,
                                  Endpoint::messages};

}  // namespace

BOOST_AUTO_TEST_SUITE(dialect)

BOOST_AUTO_TEST_CASE(only_four_endpoints_stream) {
    for (const Endpoint endpoint : streaming) BOOST_TEST(dialect_of(endpoint) != nullptr);
    for (const Endpoint endpoint : {Endpoint::embeddings, Endpoint::models, Endpoint::other})
        BOOST_TEST(dialect_of(endpoint) == nullptr);
    BOOST_TEST(endpoint_label(Endpoint::chat_completions) == "chat_completions");
    BOOST_TEST(endpoint_label(Endpoint::other) == "other");
    BOOST_TEST(dialect_of(Endpoint::chat_completions)->closing == "data: [DONE]\n\n");
    BOOST_TEST(dialect_of(Endpoint::completions)->closing == "data: [DONE]\n\n");
    BOOST_TEST(dialect_of(Endpoint::responses)->closing.empty());
    BOOST_TEST(!dialect_of(Endpoint::messages)->closing.empty());
}

BOOST_AUTO_TEST_CASE(a_chat_delta_with_output_is_payload) {
    BOOST_TEST(delta(R"("content":"Hi")") == "payload");
    BOOST_TEST(delta(R"("content" : "Hi")") == "payload");
    BOOST_TEST(delta(R"("role":"assistant","content":"Hi")") == "payload");
    BOOST_TEST(delta(R"("content":" ")") == "payload");
    BOOST_TEST(delta(R"("content":[{"type":"thinking","thinking":[]}])") == "payload");
    BOOST_TEST(delta(R"("content":null,"reasoning_content":"Hm")") == "payload");
    BOOST_TEST(delta(R"("content":"","reasoning":"Hm")") == "payload");
    BOOST_TEST(delta(R"("reasoning_details":[{"type":"reasoning.encrypted","data":"x"}])") == "payload");
    BOOST_TEST(delta(R"("tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f"}}])") == "payload");
    BOOST_TEST(delta(R"("function_call":{"name":"f","arguments":""})") == "payload");
    BOOST_TEST(delta(R"("refusal":"No")") == "payload");
    BOOST_TEST(delta(R"("audio":{"data":"AAAA"})") == "payload");
    BOOST_TEST(chat(R"({"choices":[{"index":0,"delta":{}},{"index":1,"delta":{"content":"x"}}]})") == "payload");
}

BOOST_AUTO_TEST_CASE(a_chat_delta_without_output_is_none) {
    BOOST_TEST(delta("") == "");
    BOOST_TEST(delta(R"("role":"assistant")") == "");
    BOOST_TEST(delta(R"("role":"assistant","content":"")") == "");
    BOOST_TEST(delta(R"("role":"assistant","content":null,"refusal":null,"tool_calls":[],"function_call":null)") == "");
    BOOST_TEST(delta(R"("content":[ ],"audio":{ },"reasoning":"")") == "");
    BOOST_TEST(delta(R"("provider_specific_fields":{"x":1})") == "");
    BOOST_TEST(chat(R"({"choices":[{"delta":{"content":""},"logprobs":{"content":[{"token":"a"}]}}]})") == "");
    BOOST_TEST(
        chat(
            R"({"choices":[],"created":0,"id":"","model":"","prompt_filter_results":[{"content_filter_results":{}}]})") ==
        "");
    BOOST_TEST(facts_of(Endpoint::chat_completions, ": OPENROUTER PROCESSING\n\n") == "");
    BOOST_TEST(facts_of(Endpoint::chat_completions, "data: \n\n") == "");
    BOOST_TEST(facts_of(Endpoint::chat_completions, "\n") == "");
}

BOOST_AUTO_TEST_CASE(a_chat_finish_is_a_reason_that_is_not_null) {
    BOOST_TEST(chat(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})") == "finish [stop]");
    BOOST_TEST(chat(R"({"choices": [{"delta": {"content": "x"}, "finish_reason": "length"}]})") ==
               "payload finish [length]");
    BOOST_TEST(chat(R"({"choices":[{"finish_reason":null,"delta":{}},{"finish_reason" : "tool_calls","delta":{}}]})") ==
               "finish [tool_calls]");
    BOOST_TEST(chat(R"({"choices":[{"delta":{},"finish_reason":""}]})") == "");
    BOOST_TEST(chat(R"({"x":{"finish_reason":"stop"},"choices":[{"delta":{},"finish_reason":null}]})") == "");
    BOOST_TEST(chat("[DONE]") == "terminal");
    BOOST_TEST(completion("[DONE]") == "terminal");
    BOOST_TEST(responses("[DONE]") == "terminal");
    BOOST_TEST(messages("[DONE]") == "terminal");
}

BOOST_AUTO_TEST_CASE(usage_is_found_where_vendors_put_it) {
    BOOST_TEST(chat(R"({"choices":[],"usage":{"prompt_tokens":1}})") == "usage usage_only");
    BOOST_TEST(chat(R"({"choices": [ ], "usage": {"prompt_tokens": 1}})") == "usage usage_only");
    BOOST_TEST(chat(R"({"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}})") ==
               "finish usage [stop]");
    BOOST_TEST(chat(R"({"choices":[],"usage":null})") == "");
    BOOST_TEST(chat(R"({"choices":[{"delta":{},"usage":{"prompt_tokens":1}}]})") == "usage");
    BOOST_TEST(chat(R"({"choices":[],"x_groq":{"id":"r","usage":{"prompt_tokens":1}}})") == "usage");
    BOOST_TEST(chat(R"({"x":{"usage":{"a":1}},"choices":[],"usage":null})") == "");
}

BOOST_AUTO_TEST_CASE(text_that_speaks_of_members_is_only_text) {
    const std::string text =
        R"("content":"{\"error\":{},\"usage\":{\"a\":1},\"finish_reason\":\"stop\",\"delta\":{\"content\":\"\"}}")";
    BOOST_TEST(delta(text) == "payload");
    BOOST_TEST(delta(R"("content":"error")") == "payload");
    BOOST_TEST(delta(R"("role":"usage","name":"error","x":"finish_reason")") == "");
    BOOST_TEST(
        messages(R"({"type":"content_block_delta","delta":{"type":"text_delta","text":"{\"type\":\"error\"}"}})") ==
        "payload");
}

BOOST_AUTO_TEST_CASE(errors_are_seen_in_every_shape) {
    for (const char* json : {
             R"({"error":{"message":"x"}})",
             R"({"error":"x"})",
             R"({"error" : "x"})",
             R"({"error":[{"code":"x"}]})",
             R"({"error":{},"status_code":500})",
             R"({"object":"error","message":"x","type":"BadRequestError","code":400})",
             R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})",
             R"({"choices":[],"x_groq":{"error":"over capacity"}})",
             R"({"choices":[{"error":{"code":502,"message":"x"}}]})",
         })
        for (const Endpoint endpoint : streaming) BOOST_TEST(facts_of(endpoint, data(json)) == "error", json);
    BOOST_TEST(facts_of(Endpoint::chat_completions, "event: error\ndata: {\"message\":\"x\"}\n\n") == "error");
    BOOST_TEST(facts_of(Endpoint::chat_completions, "error: {\"message\":\"x\"}\n\n") == "error");
    BOOST_TEST(chat(R"({"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]})") == "error");
    BOOST_TEST(chat(R"({"error":{"code":502},"choices":[{"delta":{"content":""},"finish_reason":"error"}]})") ==
               "error");
    for (const char* json : {R"({"error":null})", R"({"error":""})", R"({"error":false})", R"({"error":{}})",
                             R"({"x":{"error":"y"}})", R"({"error":[]})"})
        for (const Endpoint endpoint : streaming) BOOST_TEST(facts_of(endpoint, data(json)) == "", json);
}

BOOST_AUTO_TEST_CASE(legacy_completions_have_text) {
    BOOST_TEST(completion(R"({"choices":[{"text":"Hi","index":0,"finish_reason":null}]})") == "payload");
    BOOST_TEST(completion(R"({"choices":[{"text":"","index":0,"finish_reason":null}]})") == "");
    BOOST_TEST(completion(R"({"choices":[{"text":"","index":0,"finish_reason":"stop"}]})") == "finish [stop]");
    BOOST_TEST(completion(R"({"choices":[],"usage":{"prompt_tokens":1}})") == "usage usage_only");
}

BOOST_AUTO_TEST_CASE(responses_are_read_by_the_type_of_each_event) {
    BOOST_TEST(responses(R"({"type":"response.created","response":{"id":"r","error":null,"usage":null}})") == "");
    BOOST_TEST(responses(R"({"type":"response.output_text.delta","delta":"Hi"})") == "payload");
    BOOST_TEST(responses(R"({"type":"response.output_text.delta","delta":""})") == "");
    BOOST_TEST(responses(R"({"type":"response.reasoning_summary_text.delta","delta":"Hm"})") == "payload");
    BOOST_TEST(responses(R"({"type":"response.function_call_arguments.delta","delta":"{"})") == "payload");
    BOOST_TEST(responses(R"({"type":"response.refusal.delta","delta":"No"})") == "payload");
    BOOST_TEST(responses(R"({"type":"response.output_item.added","item":{"type":"message","content":[]}})") == "");
    BOOST_TEST(responses(R"({"type":"response.output_item.added","item":{"type":"reasoning"}})") == "");
    BOOST_TEST(responses(R"({"type":"response.output_item.added","item":{"type":"function_call"}})") == "payload");
    BOOST_TEST(responses(R"({"type":"response.output_item.done","item":{"type":"reasoning"}})") == "");
    BOOST_TEST(responses(R"({"type":"response.output_text.done","text":"Hi"})") == "");
    BOOST_TEST(responses(R"({"type":"response.completed","response":{"error":null,"usage":{"input_tokens":1}}})") ==
               "finish terminal usage [stop]");
    BOOST_TEST(
        responses(
            R"({"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}})") ==
        "finish terminal [max_output_tokens]");
    BOOST_TEST(responses(R"({"type":"response.cancelled","response":{}})") == "finish terminal [cancelled]");
    BOOST_TEST(responses(R"({"type":"response.failed","response":{"error":{"code":"server_error"}}})") == "failed");
    BOOST_TEST(responses(R"({"type":"error","code":"server_is_overloaded","message":"x","param":null})") == "error");
    BOOST_TEST(responses(R"({"type":"keepalive","sequence_number":3})") == "");
    BOOST_TEST(facts_of(Endpoint::responses, "event: response.output_text.delta\ndata: {\"delta\":\"Hi\"}\n\n") ==
               "payload");
}

BOOST_AUTO_TEST_CASE(messages_are_read_by_the_type_of_each_event) {
    BOOST_TEST(
        messages(
            R"({"type":"message_start","message":{"content":[],"stop_reason":null,"usage":{"input_tokens":25}}})") ==
        "usage");
    BOOST_TEST(messages(R"({"type":"ping"})") == "");
    BOOST_TEST(messages(R"({"type":"content_block_start","content_block":{"type":"text","text":""}})") == "");
    BOOST_TEST(
        messages(
            R"({"type":"content_block_start","content_block":{"type":"thinking","thinking":"","signature":""}})") ==
        "");
    BOOST_TEST(
        messages(
            R"({"type":"content_block_start","content_block":{"type":"tool_use","id":"t","name":"f","input":{}}})") ==
        "payload");
    BOOST_TEST(messages(R"({"type":"content_block_start","content_block":{"type":"redacted_thinking","data":"x"}})") ==
               "payload");
    BOOST_TEST(messages(R"({"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}})") == "payload");
    BOOST_TEST(messages(R"({"type":"content_block_delta","delta":{"type":"text_delta","text":""}})") == "");
    BOOST_TEST(messages(R"({"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"Hm"}})") ==
               "payload");
    BOOST_TEST(messages(R"({"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":""}})") ==
               "");
    BOOST_TEST(messages(R"({"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}})") ==
               "payload");
    BOOST_TEST(messages(R"({"type":"content_block_stop","index":0})") == "");
    BOOST_TEST(messages(R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}})") ==
               "finish usage [end_turn]");
    BOOST_TEST(messages(R"({"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":5}})") ==
               "usage");
    BOOST_TEST(messages(R"({"type":"message_stop"})") == "terminal");
}

BOOST_AUTO_TEST_CASE(an_error_event_is_one_event_that_its_own_dialect_calls_an_error) {
    for (const std::string_view error : {
             R"({"message":"x","type":"t","code":"c","param":null})",
             R"({"error":{"message":"x","type":"t","code":"c","param":null}})",
             "{\n \"error\" :\r\n {\"message\":\"x\",\"code\":\"c\"}\n}",
             R"({"type":"error","error":{"type":"t","message":"x","code":"c"},"request_id":"r"})",
         }) {
        for (const Endpoint endpoint : streaming) {
            const std::string event = dialect_of(endpoint)->error_event(error, 7);
            BOOST_TEST(facts_of(endpoint, event) == "error");
            sse::Splitter splitter;
            splitter.feed(event);
            std::string_view first;
            BOOST_REQUIRE(splitter.next(first));
            BOOST_TEST(first == event);
            std::string joined;
            const auto parsed = boost::json::parse(std::string(sse::read(event, joined).data)).as_object();
            BOOST_TEST(parsed.at("error").at("message").as_string() == "x");
            if (endpoint == Endpoint::responses) {
                BOOST_TEST(event.starts_with("event: error\ndata: {\"type\":\"error\","));
                BOOST_TEST(parsed.at("code").as_string() == "c");
                BOOST_TEST(parsed.at("message").as_string() == "x");
                BOOST_TEST(parsed.at("param").is_null());
                BOOST_TEST(parsed.at("sequence_number").is_int64());
            } else if (endpoint == Endpoint::messages) {
                BOOST_TEST(event.starts_with("event: error\ndata: {"));
                BOOST_TEST(parsed.at("type").as_string() == "error");
            } else {
                BOOST_TEST(event.starts_with("data: {"));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_no_op_is_a_whole_event_that_says_nothing) {
    for (const Endpoint endpoint : streaming) {
        const std::string_view noop = dialect_of(endpoint)->noop;
        if (endpoint == Endpoint::responses) {
            BOOST_TEST(noop.empty());
            continue;
        }
        BOOST_TEST(noop.ends_with("\n\n"));
        BOOST_TEST(facts_of(endpoint, noop) == "");
        std::string joined;
        boost::json::parse(std::string(sse::read(noop, joined).data));
    }
}

BOOST_AUTO_TEST_CASE(events_that_are_no_json_are_read_without_harm) {
    const std::string seeds[] = {
        R"({"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"a":1},"error":{"x":[1]}})",
        R"({"type":"content_block_delta","delta":{"type":"text_delta","text":"\"}"},"usage" : {}})",
        R"({"type":"response.completed","response":{"usage":{"a":1},"error":"\\"}})",
    };
    std::mt19937 random(6);
    for (int i = 0; i < 20000; ++i) {
        std::string text = seeds[random() % 3];
        for (unsigned n = random() % 4; n > 0; --n) text[random() % text.size()] = "\"{}[]:,\\ n"[random() % 10];
        text.resize(random() % (text.size() + 1));
        const std::vector<char> exact(text.begin(), text.end());  // AddressSanitizer sees a byte too many
        sse::Event event;
        event.data = {exact.data(), exact.size()};
        for (const Endpoint endpoint : streaming) {
            dialect_of(endpoint)->read(event);
            dialect_of(endpoint)->error_event(event.data, 0);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
