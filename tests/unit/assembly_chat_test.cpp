// Chunks, put together as completions: what vendors write into them, and where.

#include "assembled.hpp"

using namespace assembled;

namespace {

constexpr Endpoint chat = Endpoint::chat_completions, completions = Endpoint::completions;

std::string chunk(std::string_view delta, std::string_view rest = "") {
    return R"({"choices":[{"index":0,"delta":)" + std::string(delta) + std::string(rest) + "}]}";
}

const std::string stop = chunk("{}", R"(,"finish_reason":"stop")");

/// The message of a stream of these deltas.
std::string message(std::initializer_list<std::string_view> deltas) {
    std::string text;
    for (const std::string_view delta : deltas) text += "data: " + chunk(delta) + "\n\n";
    const js::value document = js::parse(from_text(chat, text + "data: " + stop + "\n\ndata: [DONE]\n\n"));
    return js::serialize(document.at("choices").at(0).at("message"));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(assembly_of_chunks)

BOOST_AUTO_TEST_CASE(openai_s_chunks_become_its_completion) {
    const std::string head = R"({"id":"c1","object":"chat.completion.chunk","created":17,"model":"gpt-x",)"
                             R"("service_tier":"default","system_fingerprint":"fp_1","choices":[)";
    const std::string tail = R"(],"usage":null,"obfuscation":"x7F"})";
    const auto told = [&](std::string_view choice) { return head + std::string(choice) + tail; };
    BOOST_TEST(
        from(
            chat,
            {told(
                 R"({"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null})"),
             told(
                 R"({"index":0,"delta":{"content":"H\u00e9"},"logprobs":{"content":[{"token":"H","logprob":-1.0E-3}],"refusal":null},"finish_reason":null})"),
             told(
                 R"({"index":0,"delta":{"content":"llo\n"},"logprobs":{"content":[{"token":"llo","logprob":-0.50}],"refusal":null},"finish_reason":null})"),
             told(R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"})"),
             head + R"(],"usage":{"prompt_tokens":3,"total_tokens":1e1},"obfuscation":""})", "[DONE]"}) ==
        R"({"id":"c1","object":"chat.completion","created":17,"model":"gpt-x","choices":[{"index":0,"message":)"
        R"({"role":"assistant","content":"H\u00e9llo\n","refusal":null},"logprobs":{"content":[)"
        R"({"token":"H","logprob":-1.0E-3},{"token":"llo","logprob":-0.50}],"refusal":null},"finish_reason":"stop"}],)"
        R"("usage":{"prompt_tokens":3,"total_tokens":1e1},"system_fingerprint":"fp_1","service_tier":"default"})");
}

BOOST_AUTO_TEST_CASE(azure_s_first_chunk_gives_its_verdict_but_no_name) {
    BOOST_TEST(
        from(
            chat,
            {R"({"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]})",
             R"({"id":"c","created":9,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"A"},)"
             R"("content_filter_results":{"hate":{"filtered":false}},"finish_reason":null}]})",
             R"({"id":"c","created":9,"model":"m","choices":[{"index":0,"delta":{},"content_filter_results":{},)"
             R"("finish_reason":"stop"}]})"}) ==
        R"({"id":"c","object":"chat.completion","created":9,"model":"m","choices":[{"index":0,"message":)"
        R"({"role":"assistant","content":"A"},"finish_reason":"stop","content_filter_results":{"hate":{"filtered":false}}}],)"
        R"("prompt_filter_results":[{"prompt_index":0}]})");
}

BOOST_AUTO_TEST_CASE(the_first_id_model_and_time_count) {
    BOOST_TEST(from(chat, {R"({"id":null,"created":0,"model":"","choices":[{"index":0,"delta":{"content":"A"}}]})",
                           R"({"id":"c1","created":7,"model":"m1","choices":[]})",
                           R"({"id":"c2","created":8,"model":"m2","choices":[]})"}) ==
               R"({"id":"c1","object":"chat.completion","created":7,"model":"m1","choices":[{"index":0,"message":)"
               R"({"role":"assistant","content":"A"},"finish_reason":null}]})");
}

BOOST_AUTO_TEST_CASE(of_a_vendor_s_own_members_the_last_that_is_not_null_counts) {
    BOOST_TEST(
        from(
            chat,
            {R"({"provider":"p1","citations":["a"],"x":null,"p":"abc","choices":[{"index":0,"delta":{"content":"A"}}]})",
             R"({"provider":null,"citations":["a","b"],"x":1,"system_fingerprint":"f","choices":[{"index":0,"delta":{},)"
             R"("native_finish_reason":"STOP","finish_reason":"stop"}]})",
             R"({"usage":{"total_tokens":8},"choices":[]})",
             R"({"usage":null,"system_fingerprint":null,"choices":[]})"}) ==
        R"({"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"A"},)"
        R"("finish_reason":"stop","native_finish_reason":"STOP"}],"usage":{"total_tokens":8},)"
        R"("system_fingerprint":"f","provider":"p1","citations":["a","b"],"x":1})");
}

BOOST_AUTO_TEST_CASE(usage_is_found_where_groq_and_moonshot_write_it) {
    const auto usage = [](std::string_view last) {
        return js::serialize(js::parse(from(chat, {chunk(R"({"content":"A"})"), last})).at("usage"));
    };
    const std::string counts = R"({"total_tokens":8})";
    BOOST_TEST(usage(R"({"choices":[],"x_groq":{"id":"r","usage":)" + counts + "}}") == counts);
    BOOST_TEST(usage(R"({"choices":[],"usage":null,"x_groq":{"usage":)" + counts + "}}") == counts);
    BOOST_TEST(usage(R"({"choices":[{"index":0,"delta":{},"usage":)" + counts + "}]}") == counts);
    BOOST_TEST(usage(R"({"usage":)" + counts + R"(,"x_groq":{"usage":{"total_tokens":9}},"choices":[]})") == counts);
    BOOST_TEST(usage(R"({"usage":)" + counts + "}") == counts);
}

BOOST_AUTO_TEST_CASE(choices_stand_in_the_order_of_their_numbers) {
    BOOST_TEST(
        from(
            chat,
            {R"({"choices":[{"index":1,"delta":{"content":"B"}}]})",
             R"({"choices":[{"index":0,"delta":{"content":"A"}},{"index":1,"delta":{"content":"b"}}]})",
             R"({"choices":[{"delta":{"content":"a"},"finish_reason":"stop"},{"delta":{},"finish_reason":"length"}]})"}) ==
        R"({"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Aa"},"finish_reason":"stop"},)"
        R"({"index":1,"message":{"role":"assistant","content":"Bb"},"finish_reason":"length"}]})");
}

BOOST_AUTO_TEST_CASE(a_finish_is_not_taken_back) {
    BOOST_TEST(from(chat, {chunk(R"({"content":"A"})", R"(,"finish_reason":"")"), stop,
                           chunk("{}", R"(,"finish_reason":"")"), chunk("{}", R"(,"finish_reason":null)")}) ==
               R"({"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"A"},)"
               R"("finish_reason":"stop"}]})");
    BOOST_TEST(from(chat, {chunk(R"({"content":"A"})")}).find(R"("finish_reason":null)") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(texts_of_a_message_are_joined_by_their_insides) {
    BOOST_TEST(message({R"({"role":"assistant","content":""})", R"({"role":"assistant","content":"\ud83d"})",
                        R"({"role":"","content":"\ude00 "})", R"({"content":null})", R"({"content":"\u0041"})"}) ==
               R"({"role":"assistant","content":"😀 A"})");
    BOOST_TEST(message({R"({"reasoning_content":"Let ","content":null})", R"({"reasoning_content":"me"})",
                        R"({"content":"A","reasoning_content":null})"}) ==
               R"({"role":"assistant","content":"A","reasoning_content":"Let me"})");
    BOOST_TEST(message({R"({"reasoning":"Let ","thinking":"x"})",
                        R"({"reasoning":"me","thinking":"y","reasoning_text":"z"})"}) ==
               R"({"role":"assistant","content":null,"reasoning":"Let me","thinking":"xy","reasoning_text":"z"})");
    BOOST_TEST(message({R"({"refusal":"I "})", R"({"refusal":"won't"})", R"({"refusal":null})"}) ==
               R"({"role":"assistant","content":null,"refusal":"I won't"})");
    BOOST_TEST(
        message({R"({"function_call":{"name":"f","arguments":""}})", R"({"function_call":{"arguments":"{\"a\":"}})",
                 R"({"function_call":{"name":"f","arguments":"1}"}})"}) ==
        R"({"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{\"a\":1}"}})");
    BOOST_TEST(
        message({R"({"audio":{"id":"a","data":"AA","transcript":"H"}})", R"({"audio":{"id":"a","data":"BB"}})",
                 R"({"audio":{"id":"","transcript":"i","expires_at":7}})"}) ==
        R"({"role":"assistant","content":null,"audio":{"id":"a","data":"AABB","transcript":"Hi","expires_at":7}})");
    BOOST_TEST(message({R"({"annotations":[{"a":1}],"images":[ ]})", R"({"annotations":[ {"b":2}, 3 ],"images":["x"]})",
                        R"({"annotations":[],"images":null})"}) ==
               R"({"role":"assistant","content":null,"annotations":[{"a":1},{"b":2},3],"images":["x"]})");
}

BOOST_AUTO_TEST_CASE(reasoning_details_of_one_index_and_type_are_one) {
    BOOST_TEST(
        message(
            {R"({"reasoning_details":[{"type":"reasoning.text","text":"Let","format":"f","index":0}]})",
             R"({"reasoning_details":[{"type":"reasoning.text","text":" me","format":"f","index":0},{"type":"reasoning.text","index":1,"text":"x"}]})",
             R"({"reasoning_details":[{"index":0,"text":"!"}]})",
             R"({"reasoning_details":[{"type":"reasoning.text","signature":"s1","index":0}]})"}) ==
        R"({"role":"assistant","content":null,"reasoning_details":[{"type":"reasoning.text","text":"Let me!","format":"f",)"
        R"("index":0,"signature":"s1"},{"type":"reasoning.text","index":1,"text":"x"}]})");
    // The entries of one chunk are several.
    BOOST_TEST(
        message({R"({"reasoning_details":[{"index":0,"text":"A"},{"index":0,"text":"B"}]})",
                 R"({"reasoning_details":[{"index":0,"text":"C"}]})"}) ==
        R"({"role":"assistant","content":null,"reasoning_details":[{"index":0,"text":"A"},{"index":0,"text":"BC"}]})");
    // OpenRouter numbers a summary and its encrypted form alike; what has no number is whole.
    BOOST_TEST(
        message({R"({"reasoning_details":[{"type":"reasoning.summary","summary":"A","index":0}]})",
                 R"({"reasoning_details":[{"type":"reasoning.summary","summary":"B","index":0}]})",
                 R"({"reasoning_details":[{"type":"reasoning.encrypted","id":"r1","data":"x","index":0}]})",
                 R"({"reasoning_details":[{"type":"reasoning.encrypted","id":"r2","data":"y","index":0}]})",
                 R"({"reasoning_details":[{"type":"reasoning.text","text":"C"}]})",
                 R"({"reasoning_details":[{"type":"reasoning.text","text":"D"}]})"}) ==
        R"({"role":"assistant","content":null,"reasoning_details":[{"type":"reasoning.summary","summary":"AB","index":0},)"
        R"({"type":"reasoning.encrypted","id":"r1","data":"x","index":0},{"type":"reasoning.encrypted","id":"r2","data":"y","index":0},)"
        R"({"type":"reasoning.text","text":"C"},{"type":"reasoning.text","text":"D"}]})");
}

BOOST_AUTO_TEST_CASE(content_in_parts_grows_by_its_last_part) {
    BOOST_TEST(message({R"({"role":"assistant","content":""})",
                        R"({"content":[{"type":"thinking","thinking":[{"type":"text","text":"Let "}]}]})",
                        R"({"content":[{"type":"thinking","thinking":[{"type":"text","text":"me"}]}]})",
                        R"({"content":"He"})", R"({"content":"llo"})", R"({"content":""})"}) ==
               R"({"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"Let me"}]},)"
               R"({"type":"text","text":"Hello"}]})");
    BOOST_TEST(message({R"({"content":"A"})", R"({"content":[{"type":"text","text":"B"},{"type":"text","text":"C"}]})",
                        R"({"content":[{"type":"reference","reference_ids":[1]}]})",
                        R"({"content":[{"type":"reference","reference_ids":[2]}]})"}) ==
               R"({"role":"assistant","content":[{"type":"text","text":"AB"},{"type":"text","text":"C"},)"
               R"({"type":"reference","reference_ids":[1]},{"type":"reference","reference_ids":[2]}]})");
}

BOOST_AUTO_TEST_CASE(a_message_repeated_whole_is_not_said_twice) {
    // Perplexity repeats it in every chunk, MiniMax in the last one; some say nothing else.
    const auto both = [](std::string_view delta, std::string_view whole) {
        return R"({"choices":[{"index":0,"delta":)" + std::string(delta) + R"(,"message":)" + std::string(whole) +
               R"(,"finish_reason":"stop"}]})";
    };
    const auto said = [](std::string_view document) {
        return js::serialize(js::parse(document).at("choices").at(0).at("message"));
    };
    BOOST_TEST(
        said(from(chat, {both(R"({"role":"assistant","content":"He"})", R"({"role":"assistant","content":"He"})"),
                         both(R"({"content":"y"})", R"({"role":"assistant","content":"Hey"})")})) ==
        R"({"role":"assistant","content":"Hey"})");
    BOOST_TEST(said(from(chat, {both(R"({"role":"assistant","content":""})", R"({"content":"Hey","name":"MM"})")})) ==
               R"({"role":"assistant","content":"Hey","name":"MM"})");
    BOOST_TEST(said(from(chat, {both("null", R"({"role":"assistant","content":null,"tool_calls":[{"id":"a"}]})")})) ==
               R"({"role":"assistant","content":null,"tool_calls":[{"id":"a"}]})");
}

BOOST_AUTO_TEST_CASE(a_legacy_completion_has_its_text_and_log_probabilities_joined) {
    BOOST_TEST(
        from(
            completions,
            {R"({"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"text":"He","index":0,"logprobs":)"
             R"({"tokens":["He"],"token_logprobs":[-0.10],"top_logprobs":[{"He":-0.10}],"text_offset":[5]},"finish_reason":null}]})",
             R"({"id":"c","choices":[{"text":"y","index":0,"logprobs":{"tokens":["y"],"token_logprobs":[null],)"
             R"("top_logprobs":null,"text_offset":[7]},"finish_reason":null}]})",
             R"({"id":"c","choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"length"}]})", "[DONE]"}) ==
        R"({"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"text":"Hey","index":0,"logprobs":)"
        R"({"tokens":["He","y"],"token_logprobs":[-0.10,null],"top_logprobs":[{"He":-0.10}],"text_offset":[5,7]},)"
        R"("finish_reason":"length"}]})");
}

BOOST_AUTO_TEST_CASE(of_a_name_that_stands_twice_in_a_chunk_the_last_value_counts) {
    BOOST_TEST(message({R"({"content":"no","cont\u0065nt":"A"})", R"({"content":7,"content":"B"})"}) ==
               R"({"role":"assistant","content":"AB"})");
}

BOOST_AUTO_TEST_SUITE_END()
