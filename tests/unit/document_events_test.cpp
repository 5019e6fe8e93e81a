#include "streamkeeper/document_events.hpp"

#include "document_stream.hpp"

using namespace document_stream;

namespace {

constexpr Endpoint chat = Endpoint::chat_completions, completions = Endpoint::completions,
                   responses = Endpoint::responses, messages = Endpoint::messages;

/// A chat completion with these choices and usage.
std::string completion(std::string_view choices) {
    return R"({"id":"c1","object":"chat.completion","created":17,"model":"m","choices":[)" + std::string(choices) +
           R"(],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8},"system_fingerprint":"fp"})";
}

std::string choice(std::string_view message, std::string_view finish = R"("stop")") {
    return R"({"index":0,"message":)" + std::string(message) + R"(,"finish_reason":)" + std::string(finish) + "}";
}

std::string message(std::string_view blocks, std::string_view stop = R"("end_turn")") {
    return R"({"id":"msg_1","type":"message","role":"assistant","model":"m","content":[)" + std::string(blocks) +
           R"(],"stop_reason":)" + std::string(stop) +
           R"(,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":5}})";
}

bool is_same_document(Endpoint endpoint, std::string_view document) {
    return join(endpoint, stream_of(endpoint, document)) == js::parse(document);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(document_events)

BOOST_AUTO_TEST_CASE(a_chat_completion_becomes_the_chunks_of_its_stream) {
    const std::string document = completion(choice(R"({"role":"assistant","content":"Hi","refusal":null})"));
    const std::string head = R"(data: {"object":"chat.completion.chunk","id":"c1","created":17,"model":"m",)"
                             R"("system_fingerprint":"fp","choices":[)";
    const std::string role = head + R"({"index":0,"delta":{"role":"assistant"},"finish_reason":null}]})"
                                    "\n\n";
    const std::string output = head + R"({"index":0,"delta":{"content":"Hi","refusal":null},"finish_reason":null}]})"
                                      "\n\n";
    const std::string finish = head + R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]})"
                                      "\n\n";
    const std::string usage = head + R"(],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}})"
                                     "\n\n";
    BOOST_TEST(events(chat, document) == role + output + finish + "data: [DONE]\n\n");
    BOOST_TEST(events(chat, document, true) == role + output + finish + usage + "data: [DONE]\n\n");
    BOOST_TEST(outline_of(chat, document, true) == "0 0! 0=stop -u [DONE].");
}

BOOST_AUTO_TEST_CASE(a_legacy_completion_becomes_the_chunks_of_its_stream) {
    const std::string document =
        R"({"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"text":"Hi","index":0,)"
        R"("logprobs":{"tokens":["Hi"],"token_logprobs":[-0.10]},"finish_reason":"length"}],"usage":{"total_tokens":8}})";
    BOOST_TEST(
        events(completions, document) ==
        R"(data: {"object":"text_completion","id":"c","created":1,"model":"m","choices":[{"index":0,"text":"Hi",)"
        R"("logprobs":{"tokens":["Hi"],"token_logprobs":[-0.10]},"finish_reason":null}]})"
        "\n\n"
        R"(data: {"object":"text_completion","id":"c","created":1,"model":"m","choices":[{"index":0,"text":"",)"
        R"("logprobs":null,"finish_reason":"length"}]})"
        "\n\n"
        "data: [DONE]\n\n");
    BOOST_TEST(outline_of(completions, document, true) == "0! 0=length -u [DONE].");
    BOOST_TEST(is_same_document(completions, document));
}

BOOST_AUTO_TEST_CASE(tool_calls_get_the_number_of_their_place) {
    const std::string document =
        completion(choice(R"({"role":"assistant","content":null,"tool_calls":[)"
                          R"({"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}},)"
                          R"({"id":"b","type":"custom","custom":{"name":"g","input":"y"},"index":0}]})",
                          R"("tool_calls")"));
    const Stream stream = stream_of(chat, document, false);
    BOOST_TEST(outline(stream) == "0 0! 0=tool_calls [DONE].");
    BOOST_TEST(
        stream[1].data.find(
            R"("tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}},)"
            R"({"index":1,"id":"b","type":"custom","custom":{"name":"g","input":"y"}}])") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(everything_a_chat_message_carries_goes_over_under_its_own_name) {
    for (const std::string_view member :
         {R"("refusal":"No")", R"("function_call":{"name":"f","arguments":"{}"})", R"("reasoning_content":"Hm")",
          R"("reasoning":"Hm","reasoning_details":[{"type":"reasoning.encrypted","data":"x","index":0}])",
          R"("reasoning_text":"Hm")", R"("thinking":"Hm")", R"("images":[{"image_url":{"url":"data:"}}])",
          R"("audio":{"id":"a","data":"AAAA","expires_at":1,"transcript":"Hi"})",
          R"("content":[{"type":"text","text":"Hi"}])"}) {
        const std::string document = completion(choice(R"({"role":"assistant",)" + std::string(member) +
                                                       R"(,"annotations":[],"vendor_only":{"a":[1.50]}})"));
        BOOST_TEST(outline_of(chat, document) == "0 0! 0=stop [DONE].");
        BOOST_TEST(is_same_document(chat, document));
    }
}

BOOST_AUTO_TEST_CASE(what_only_one_vendor_knows_is_told_once) {
    const std::string document =
        R"({"provider":"p","id":"c","x_groq":{"id":"r"},"object":"chat.completion","service_tier":"default","choices":[)"
        R"({"index":0,"logprobs":{"content":[{"token":"Hi","logprob":-1.0E-3}]},"native_finish_reason":"STOP",)"
        R"("content_filter_results":{"hate":{"filtered":false}},"message":{"role":"assistant","content":"Hi"},)"
        R"("finish_reason":"stop"}],"prompt_filter_results":[]})";
    const std::string text = events(chat, document);
    for (const std::string_view member : {R"("provider":"p")", R"("x_groq":{"id":"r"})",
                                          R"("prompt_filter_results":[])", R"("native_finish_reason":"STOP")"}) {
        BOOST_TEST_CONTEXT(member) {
            BOOST_TEST(text.find(member) < text.find("\n\n"));
            BOOST_TEST(text.find(member) == text.rfind(member));
        }
    }
    // It would take the place of ours.
    const std::string delta = R"({"choices":[{"message":{"content":"Hi"},"delta":null,"finish_reason":"stop"}]})";
    BOOST_TEST(events(chat, delta).find(R"("delta":null)") == std::string::npos);
    // openai-node counts twice what stands in the first chunk.
    BOOST_TEST(text.find("-1.0E-3") > text.find("\n\n"));
    BOOST_TEST(text.find("-1.0E-3") == text.rfind("-1.0E-3"));
    BOOST_TEST(is_same_document(chat, document));
}

BOOST_AUTO_TEST_CASE(an_unfinished_choice_gets_no_finish_and_its_stream_no_done) {
    const std::string hi = R"({"role":"assistant","content":"Hi"})";
    for (const std::string_view finish : {"null", R"("")", "7"})
        BOOST_TEST(outline_of(chat, completion(choice(hi, finish)), true) == "0 0! -u");
    BOOST_TEST(outline_of(chat, R"({"choices":[{"message":)" + hi + "}]}") == "0 0!");
    BOOST_TEST(outline_of(chat, completion(R"({"index":0,"message":)" + hi +
                                           R"(,"finish_reason":"stop"},{"index":1,"message":)" + hi +
                                           R"(,"finish_reason":null})")) == "0 0! 1 1! 0=stop");
    BOOST_TEST(events(chat, completion(choice(hi, R"("error")"))).find("[DONE]") == std::string::npos);
    BOOST_TEST(outline_of(messages, message(R"({"type":"text","text":"Hi"})", "null")) ==
               "message_startu content_block_start content_block_delta! content_block_stop");
}

BOOST_AUTO_TEST_CASE(choices_are_told_in_the_order_of_their_numbers) {
    const auto numbered = [](std::string_view first, std::string_view second) {
        const auto one = [](std::string_view index, std::string_view text) {
            return "{" + std::string(index) + R"("message":{"content":")" + std::string(text) +
                   R"("},"finish_reason":"stop"})";
        };
        const Stream stream = stream_of(chat, R"({"choices":[)" + one(first, "A") + "," + one(second, "B") + "]}");
        BOOST_TEST(outline(stream) == "0 0! 1 1! 0=stop 1=stop [DONE].");
        return std::string(stream[1].object().at("choices").at(0).at("delta").at("content").as_string());
    };
    BOOST_TEST(numbered(R"("index":0,)", R"("index":1,)") == "A");
    BOOST_TEST(numbered(R"("index":1,)", R"("index":0,)") == "B");
    // Numbers that would merge the two, or leave a gap, are none.
    for (const std::string_view index : {R"("index":0,)", R"("index":5,)", R"("index":"1",)", R"("index":-1,)", ""})
        BOOST_TEST(numbered(index, index) == "A");
    BOOST_TEST(numbered(R"("index":1.5,)", R"("index":0.5,)") == "A");
}

BOOST_AUTO_TEST_CASE(the_role_is_told_once_and_always) {
    for (const std::string_view message :
         {R"({"role":"assistant","content":"Hi"})", R"({"content":"Hi"})",
          R"({"role":null,"content":"Hi","role":"assistant"})", R"({"content":"Hi","role":""})"}) {
        const std::string text = events(chat, completion(choice(message)));
        BOOST_TEST(text.find(R"("role":"assistant")") != std::string::npos);
        BOOST_TEST(text.find(R"("role")") == text.rfind(R"("role")"));
    }
}

BOOST_AUTO_TEST_CASE(a_message_becomes_the_events_of_its_blocks) {
    const std::string document = message(
        R"({"type":"thinking","thinking":"Hm","signature":"sig"},{"type":"redacted_thinking","data":"x"},)"
        R"({"type":"text","text":"Hi","citations":[{"cited_text":"a"},{"cited_text":"b"}]},)"
        R"({"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}},)"
        R"({"type":"web_search_tool_result","tool_use_id":"s","content":[]},{"type":"of_tomorrow","input":{"a":1}},)"
        R"({"type":"tool_use","id":"t","name":"f","input":{"x": 1.50, "y":[ ]},"caller":{"type":"direct"}})",
        R"("tool_use")");
    const Stream stream = stream_of(messages, document);
    const std::string start = " content_block_start", delta = " content_block_delta!", stop = " content_block_stop";
    BOOST_TEST(outline(stream) == "message_startu" + start + delta + delta + stop + start + "!" + stop + start + delta +
                                      delta + delta + stop + start + "!" + delta + stop + start + "!" + stop + start +
                                      stop + start + "!" + delta + stop + " message_deltau=tool_use message_stop.");
    BOOST_TEST(
        stream[0].data ==
        R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m",)"
        R"("content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":5}}})");
    BOOST_TEST(stream[1].data == R"({"type":"content_block_start","index":0,"content_block":{"type":"thinking",)"
                                 R"("thinking":"","signature":""}})");
    BOOST_TEST(stream[stream.size() - 4].data ==
               R"({"type":"content_block_delta","index":6,"delta":{"type":"input_json_delta",)"
               R"("partial_json":"{\"x\": 1.50, \"y\":[ ]}"}})");
    BOOST_TEST(stream[stream.size() - 2].data ==
               R"({"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},)"
               R"("usage":{"input_tokens":3,"output_tokens":5}})");
    BOOST_TEST((join(messages, stream) == js::parse(document)));
}

BOOST_AUTO_TEST_CASE(what_a_message_says_about_its_end_stands_in_its_delta) {
    const std::string document =
        R"({"content":[{"type":"text","text":""}],"stop_reason":"stop_sequence","stop_sequence":"END","stop_details":{"a":1},)"
        R"("container":{"id":"k"},"context_management":{"applied_edits":[]},"usage":{"output_tokens":5}})";
    const Stream stream = stream_of(messages, document);
    BOOST_TEST(outline(stream) ==
               "message_startu content_block_start content_block_stop "
               "message_deltau=stop_sequence message_stop.");
    BOOST_TEST(
        stream[3].data ==
        R"({"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"END","stop_details":{"a":1},)"
        R"("container":{"id":"k"}},"usage":{"output_tokens":5},"context_management":{"applied_edits":[]}})");
    BOOST_TEST((stream[0].object().at("message").at("stop_details").is_null()));
    BOOST_TEST((join(messages, stream) == js::parse(document)));
}

BOOST_AUTO_TEST_CASE(what_a_vendor_spells_in_its_own_way_is_told_whole) {
    const std::string block = R"({"type":"tool_use","id":"t","name":"f","input":"{}"})";
    BOOST_TEST(events(messages, message(block)).find(R"("content_block":)" + block) != std::string::npos);
    BOOST_TEST(outline_of(messages, message(block)) ==
               "message_startu content_block_start! content_block_stop message_deltau=end_turn message_stop.");
    const std::string text = R"({"type":"text","text":null,"citations":null})";
    BOOST_TEST(events(messages, message(text)).find(R"("content_block":)" + text) != std::string::npos);
    const std::string item = R"({"id":"f","type":"function_call","arguments":{"x":1}})";
    BOOST_TEST(outline_of(responses, response(item)) ==
               "response.created response.in_progress response.output_item.added! response.output_item.done! "
               "response.completedu=stop.");
    BOOST_TEST(
        events(responses, response(item)).find(R"(.added","sequence_number":2,"output_index":0,"item":)" + item) !=
        std::string::npos);
    BOOST_TEST(events(responses, response(R"({"type":"message","content":[{"type":"output_text","text":"Hi"}]})"))
                   .find(R"("item_id":"","output_index":0,"content_index":0,"delta":"Hi","logprobs":[])") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_document_over_many_lines_becomes_events_of_one_line) {
    const std::string document =
        "\n{\r\n \"choices\" : [ {\n\"message\":\t{\"content\":\n\"a\\nb\", \"x\": [\n1,\r2]},\n"
        "\"finish_reason\": \"stop\"\n} ]\n}\n";
    const Stream stream = stream_of(chat, document);
    BOOST_TEST(outline(stream) == "0 0! 0=stop [DONE].");
    BOOST_TEST(stream[1].data.find(R"("content":"a\nb","x":[ 1, 2])") != std::string::npos);
    const std::string whole = "\r\n{\"status\":\"completed\",\n\"output\":[\n]}\n\n";
    BOOST_TEST(stream_of(responses, whole)[2].data ==
               R"({"type":"response.completed","sequence_number":2,"response":{"status":"completed", "output":[ ]}})");
}

BOOST_AUTO_TEST_CASE(of_a_name_that_stands_twice_the_last_value_counts) {
    BOOST_TEST(
        outline_of(chat,
                   R"({"choices":7,"choi\u0063es":[{"message":{},"message":{"content":"Hi"},"finish_reason":null,)"
                   R"("finish_rea\u0073on":"stop"}]})") == "0 0! 0=stop [DONE].");
    BOOST_TEST(outline_of(messages,
                          R"({"content":7,"content":[{"type":"x","ty\u0070e":"text","text":null,"text":"Hi"}],)"
                          R"("stop_reason":null,"stop_reason":"end_turn"})") ==
               "message_start content_block_start content_block_delta! content_block_stop message_delta=end_turn "
               "message_stop.");
    BOOST_TEST(outline_of(responses, R"({"status":"queued","output":7,"output":[],"status":"completed"})") ==
               "response.created response.in_progress response.completed=stop.");
}

BOOST_AUTO_TEST_CASE(deep_nesting_and_strange_numbers_go_over_as_they_are) {
    const std::string deep = std::string(480, '[') + "1.0e+05,-0,12345678901234567890123,1E400" + std::string(480, ']');
    const std::string members = R"("\u0000\ud83d":)" + deep;
    BOOST_TEST(events(chat, completion(choice("{" + members + "}"))).find(members) != std::string::npos);
    BOOST_TEST(events(messages, message(R"({"type":"t",)" + members + "}")).find(members) != std::string::npos);
    BOOST_TEST(events(responses, response("{" + members + "}")).find(members) != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_document_of_another_kind_is_no_answer) {
    const std::string completed = completion(choice(R"({"content":"Hi"})")),
                      said = message(R"({"type":"text","text":"Hi"})"), responded = response("");
    const std::string text = R"({"choices":[{"text":"Hi","finish_reason":"stop"}]})";
    for (const std::string* document : {&said, &responded, &text}) BOOST_TEST(events(chat, *document) == "nothing");
    for (const std::string* document : {&said, &responded, &completed})
        BOOST_TEST(events(completions, *document) == "nothing");
    for (const std::string* document : {&said, &completed, &text})
        BOOST_TEST(events(responses, *document) == "nothing");
    for (const std::string* document : {&responded, &completed, &text})
        BOOST_TEST(events(messages, *document) == "nothing");
    for (const std::string_view document :
         {"{}", "[]", "null", "\"choices\"", "1", R"({"choices":[]})", R"({"choices":[null]})",
          R"({"choices":{"message":{}}})", R"({"choices":[{"message":null}]})", R"({"content":"Hi"})",
          R"({"content":["Hi"]})", R"({"status":"completed","output":null})",
          R"({"status":"completed","output":["Hi"]})",
          R"({"status":"completed","output":[{"type":"message","content":["Hi"]}]})"})
        for (const Endpoint endpoint : {chat, completions, responses, messages})
            BOOST_TEST(events(endpoint, document) == "nothing");
    for (const Endpoint endpoint : {Endpoint::embeddings, Endpoint::models, Endpoint::other})
        BOOST_TEST(events(endpoint, completed) == "nothing");
}

BOOST_AUTO_TEST_CASE(a_document_whose_events_would_be_out_of_proportion_is_given_up) {
    const std::string id(100'000, 'x');
    std::string choices, parts;
    for (int i = 0; i < 1000; ++i) {
        choices += (i ? "," : "") + choice(R"({"content":""})");
        parts += (i ? "," : "") + std::string(R"({"type":"output_text","text":""})");
    }
    BOOST_TEST(events(chat, R"({"id":")" + id + R"(","choices":[)" + choices + "]}") == "nothing");
    const std::string item = R"(","type":"message","content":[)" + parts + "]}";
    BOOST_TEST(events(responses, response(R"({"id":")" + id + item)) == "nothing");
    std::string citations = "1";
    for (int i = 0; i < 100'000; ++i) citations += ",1";
    BOOST_TEST(events(messages, message(R"({"type":"text","text":"","citations":[)" + citations + "]}")) == "nothing");
    // As many of them are told where nothing long is repeated.
    BOOST_TEST(stream_of(chat, completion(choices), false).size() == 3001U);
}

BOOST_AUTO_TEST_SUITE_END()
