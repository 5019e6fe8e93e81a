#include "streamkeeper/assembly.hpp"

#include <algorithm>
#include <ctime>

#include "assembled.hpp"

using namespace assembled;
using streamkeeper::can_stream;

namespace {

constexpr Endpoint chat = Endpoint::chat_completions, completions = Endpoint::completions,
                   responses = Endpoint::responses, messages = Endpoint::messages;

constexpr std::string_view message_start =
    R"({"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"m","content":[],)"
    R"("stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1,"cache_read_input_tokens":2}}})";
constexpr std::string_view message_end =
    R"({"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}})";

/// The content of a message of these events.
std::string content(std::initializer_list<std::string_view> events) {
    Assembly assembly(messages);
    const auto add = [&](std::string_view data) { feed(assembly, "data: " + std::string(data) + "\n\n"); };
    add(message_start);
    for (const std::string_view event : events) add(event);
    add(message_end);
    const std::string document = document_of(assembly);
    const std::string_view begin = R"("content":)", end = R"(,"stop_reason")";
    const std::size_t at = document.find(begin) + begin.size();
    return document.substr(at, document.find(end) - at);
}

std::string start(std::string_view block, int index = 0) {
    return R"({"type":"content_block_start","index":)" + std::to_string(index) + R"(,"content_block":)" +
           std::string(block) + "}";
}

std::string delta(std::string_view delta, int index = 0) {
    return R"({"type":"content_block_delta","index":)" + std::to_string(index) + R"(,"delta":)" + std::string(delta) +
           "}";
}

/// The processor's time for streams in which everything grows that can: members, choices, calls, arrays, texts.
double seconds_for(int count) {
    Assembly chunks(chat), events(messages);
    std::string joined;
    const std::string text(400, 'x');
    const auto add = [&joined](Assembly& assembly, const std::string& data) {
        assembly.add(streamkeeper::sse::read("data: " + data + "\n\n", joined));
    };
    const std::clock_t begin = std::clock();
    add(events, std::string(message_start));
    for (int i = 0; i < count; ++i) {
        const std::string n = std::to_string(i);
        add(chunks, R"({"v)" + n + R"(":1,"choices":[{"index":)" + n + R"(,"x)" + n + R"(":1,"delta":{}}]})");
        add(chunks, R"({"choices":[{"index":0,"logprobs":{"content":[)" + n +
                        R"(]},"delta":{"content":[{"type":"n"}],"y)" + n + R"(":1,"refusal":")" + text +
                        R"(","annotations":[1],"reasoning_details":[{"index":)" + n +
                        R"(},{"index":0,"text":"x"}]}}]})");
        add(chunks, R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":)" + n + R"(,"id":"c)" + n +
                        R"(","function":{"name":"f","arguments":"{}"}},{"index":0,"function":{"arguments":"{"}}]}}]})");
        add(events, start(R"({"type":"text","text":""})", i));
        add(events, delta(R"({"text":"a","citation":1,"partial_json":"{"})"));
    }
    BOOST_TEST(document_of(chunks).size() > 100U * static_cast<std::size_t>(count));
    BOOST_TEST(document_of(events).size() > 20U * static_cast<std::size_t>(count));
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(assembly)

BOOST_AUTO_TEST_CASE(a_message_is_put_together_from_its_blocks) {
    const std::string text =
        "event: message_start\ndata: " + std::string(message_start) + "\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n" +
        "data: " + start(R"({"type":"text","text":""})") +
        "\n\ndata: " + delta(R"({"type":"text_delta","text":"H\u0065"})") +
        "\n\ndata: " + delta(R"({"type":"text_delta","text":"y"})") +
        "\n\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: " +
        std::string(message_end) + "\n\ndata: {\"type\":\"message_stop\",\"amazon-bedrock-invocationMetrics\":{}}\n\n";
    BOOST_TEST(
        from_text(messages, text) ==
        R"({"id":"m1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"H\u0065y"}],)"
        R"("stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":9,)"
        R"("cache_read_input_tokens":2}})");
}

BOOST_AUTO_TEST_CASE(blocks_grow_by_their_deltas) {
    BOOST_TEST(content({start(R"({"type":"thinking","thinking":"","signature":""})"),
                        delta(R"({"type":"thinking_delta","thinking":"Hm"})"),
                        delta(R"({"type":"thinking_delta","thinking":"m"})"),
                        delta(R"({"type":"signature_delta","signature":"s1"})"),
                        start(R"({"type":"text","text":"A","citations":[]})", 1),
                        delta(R"({"type":"text_delta","text":"b"})", 1),
                        delta(R"({"type":"citations_delta","citation":{"cited_text":"a"}})", 1),
                        delta(R"({"type":"citations_delta","citation":{"cited_text":"b"}})", 1)}) ==
               R"([{"type":"thinking","thinking":"Hmm","signature":"s1"},)"
               R"({"type":"text","text":"Ab","citations":[{"cited_text":"a"},{"cited_text":"b"}]}])");
    BOOST_TEST(
        content({start(R"({"type":"text","text":"","citations":null})"),
                 delta(R"({"type":"citations_delta","citation":1})"),
                 start(R"({"type":"redacted_thinking","data":"x"})", 1),
                 start(R"({"type":"compaction","content":null})", 2),
                 delta(R"({"type":"compaction_delta","content":"So "})", 2),
                 delta(R"({"type":"compaction_delta","content":"far"})", 2),
                 start(R"({"type":"web_search_tool_result","tool_use_id":"s","content":[{"url":"u"}]})", 3)}) ==
        R"([{"type":"text","text":"","citations":[1]},{"type":"redacted_thinking","data":"x"},)"
        R"({"type":"compaction","content":"So far"},{"type":"web_search_tool_result","tool_use_id":"s","content":[{"url":"u"}]}])");
    // Blocks at the same time, or out of order; a delta without a number belongs to the newest.
    BOOST_TEST(content({start(R"({"type":"text","text":""})", 1), start(R"({"type":"text","text":""})", 0),
                        delta(R"({"type":"text_delta","text":"B"})", 1),
                        R"({"type":"content_block_delta","delta":{"text":"A"}})"}) ==
               R"([{"type":"text","text":"A"},{"type":"text","text":"B"}])");
}

BOOST_AUTO_TEST_CASE(the_input_of_a_call_is_the_json_that_its_pieces_spell) {
    const auto input = [](std::string_view opening, std::initializer_list<std::string_view> pieces) {
        Assembly assembly(messages);
        feed(assembly, "data: " + std::string(message_start) + "\n\ndata: " +
                           start(R"({"type":"tool_use","id":"t","name":"f")" + std::string(opening) + "}") + "\n\n");
        for (const std::string_view piece : pieces)
            feed(assembly,
                 "data: " + delta(R"({"type":"input_json_delta","partial_json":)" + std::string(piece) + "}") + "\n\n");
        const std::string document = document_of(assembly);
        const std::size_t at = document.find(R"("input":)") + 8;
        return document.substr(at, document.find("}],") - at);
    };
    BOOST_TEST(input(R"(,"input":{})", {R"("")", R"("{\"a\": 1.")", R"("50, \"b\":\"\\n\\u00e")", R"("9\"}")"}) ==
               R"({"a": 1.50, "b":"\n\u00e9"})");
    BOOST_TEST(input(R"(,"input":{})", {}) == "{}");
    BOOST_TEST(input(R"(,"input":{})", {R"("")"}) == "{}");
    BOOST_TEST(input("", {}) == "{}");
    BOOST_TEST(input(R"(,"input":{"a":1})", {R"("")"}) == R"({"a":1})");
    BOOST_TEST(input(R"(,"input":{"a":1})", {R"("{\"a\":1}")"}) == R"({"a":1})");
    // Cut by a token limit: no JSON, so it stays a text.
    BOOST_TEST(input(R"(,"input":{})", {R"("{\"a\":")", R"("[1")"}) == R"("{\"a\":[1")");
}

BOOST_AUTO_TEST_CASE(the_end_of_a_message_overrides_its_opening) {
    const auto end = [](std::string_view event) {
        const std::string document = from(messages, {message_start, event});
        return document.substr(document.find(R"("content":[])") + 13);
    };
    BOOST_TEST(
        end(R"({"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"END","container":{"id":"k"}},)"
            R"("usage":{"input_tokens":null,"output_tokens":9,"server_tool_use":{"n":1}},"context_management":{"x":[]}})") ==
        R"("stop_reason":"stop_sequence","stop_sequence":"END","usage":{"input_tokens":3,"output_tokens":9,)"
        R"("cache_read_input_tokens":2,"server_tool_use":{"n":1}},"container":{"id":"k"},"context_management":{"x":[]}})");
    const std::string twice =
        from(messages, {message_start, message_end, R"({"type":"message_start","message":{"id":"m2"}})",
                        R"({"type":"message_delta","delta":{"stop_reason":null},"usage":null})"});
    BOOST_TEST(twice == from(messages, {message_start, message_end}));
    // A server that streams nothing but the frame.
    BOOST_TEST(
        from(messages,
             {R"({"type":"message_start","message":{"type":"message","content":[{"type":"text","text":"Hi"}]}})",
              message_end}) ==
        R"({"type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"output_tokens":9}})");
}

BOOST_AUTO_TEST_CASE(a_response_is_what_its_last_event_says) {
    const std::string whole = R"({"id":"r", "output" : [{"type":"message"}],"usage":{"total_tokens":1.0}})";
    for (const std::string type : {"completed", "incomplete", "cancelled"}) {
        const std::string end = R"({"type":"response.)" + type + R"(","sequence_number":3,"response":)" + whole + "}";
        const std::string item = R"({"type":"response.output_item.done","output_index":0,"item":{"type":"x"}})";
        BOOST_TEST(from(responses, {R"({"type":"response.created","response":{"id":"r"}})", item, end}) == whole);
        BOOST_TEST(from_text(responses, "event: response." + type + "\ndata: {\"response\":" + whole + "}\n\n") ==
                   whole);
    }
    BOOST_TEST(from(responses, {R"({"type":"response.failed","response":{"id":"r","output":[]}})"}) == "nothing");
}

BOOST_AUTO_TEST_CASE(a_response_that_ends_without_its_output_gets_the_items_that_were_streamed) {
    const std::string b = R"({"type":"response.output_item.done","output_index":1,"item":{"id":"b"}})",
                      a = R"({"type":"response.output_item.done","output_index":0,"item":{"id":"a", "n":1.0}})",
                      added = R"({"type":"response.output_item.added","output_index":2,"item":{"id":"c"}})";
    const auto ended = [&](std::string_view response) {
        return from(responses,
                    {b, a, added, R"({"type":"response.completed","response":)" + std::string(response) + "}"});
    };
    const std::string output = R"("output":[{"id":"a", "n":1.0},{"id":"b"}])";
    BOOST_TEST(ended(R"({"id":"r","output":[],"usage":null})") == R"({"id":"r",)" + output + R"(,"usage":null})");
    BOOST_TEST(ended(R"({"id":"r","output":null})") == R"({"id":"r",)" + output + "}");
    BOOST_TEST(ended(R"({"id":"r"})") == R"({"id":"r",)" + output + "}");
    BOOST_TEST(ended("{}") == "{" + output + "}");
    BOOST_TEST(from(responses, {R"({"type":"response.completed","response":{"output":[ ]}})"}) == R"({"output":[ ]})");
}

BOOST_AUTO_TEST_CASE(events_that_are_no_answer_make_no_document) {
    const std::string chunk = R"({"choices":[{"index":0,"delta":{"content":"A"}}]})",
                      text = R"({"choices":[{"index":0,"text":"A"}]})",
                      response = R"({"type":"response.completed","response":{"output":[]}})", message(message_start);
    const std::pair<Endpoint, std::string> own[] = {
        {chat, chunk}, {completions, text}, {responses, response}, {messages, message}};
    for (const auto& [endpoint, data] : own)
        for (const auto& [other, unused] : own) BOOST_TEST((from(other, {data}) == "nothing") == (other != endpoint));
    for (const auto& [endpoint, unused] : own)
        for (const std::string_view data :
             {"", "[DONE]", "null", "[]", "{}", "\"choices\"", R"({"choices":[]})", R"({"choices":[null]})",
              R"({"choices":[{"index":0,"finish_reason":"stop"}]})", R"({"usage":{}})",
              R"({"type":"message_delta","delta":{"stop_reason":"end_turn"}})", R"({"type":"message_start"})",
              R"({"type":"response.completed"})", R"({"type":"ping"})"})
            BOOST_TEST(from(endpoint, {data}) == "nothing");
    BOOST_TEST(from_text(chat, ": hb\n\nevent: x\n\n") == "nothing");
    // What is no chunk leaves no trace either.
    BOOST_TEST(from(chat, {R"({"type":"ping","x":1})", chunk}).find("ping") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(events_over_many_lines_and_with_blanks_are_read) {
    BOOST_TEST(
        from_text(chat,
                  "data:  \t{\"choices\": [\ndata: {\"index\" : 0 , \"delta\":\ndata: { \"content\" : \"A\" } } ] } "
                  "\r\n\r\n") ==
        R"({"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"A"},"finish_reason":null}]})");
}

BOOST_AUTO_TEST_CASE(what_is_kept_is_counted) {
    for (const Endpoint endpoint : {chat, completions, messages, responses})
        BOOST_TEST(Assembly(endpoint).bytes() < 4096U);
    const std::string text(1000, 'x');
    Assembly assembly(chat);
    for (int i = 0; i < 1000; ++i)
        feed(assembly, R"(data: {"id":"c","vendor":")" + text + R"(","choices":[{"index":0,"delta":{"content":")" +
                           text + "\"}}]}\n\n");
    BOOST_TEST(assembly.bytes() > 1'000'000U);
    BOOST_TEST(assembly.bytes() < 2'100'000U);
    // Items are kept until the last event has them.
    Assembly response(responses);
    const std::string item =
        R"({"type":"response.output_item.done","output_index":0,"item":{"a":")" + std::string(100'000, 'x') + "\"}}";
    feed(response, "data: " + item + "\n\n");
    BOOST_TEST(response.bytes() > 100'000U);
    feed(response, "data: {\"type\":\"response.completed\",\"response\":{\"output\":[1]}}\n\n");
    BOOST_TEST(response.bytes() < 4096U);
    // Small things cost more than they spell.
    Assembly crowd(chat);
    for (int i = 0; i < 1000; ++i)
        feed(crowd, R"(data: {"choices":[{"index":)" + std::to_string(i) +
                        R"(,"delta":{"tool_calls":[{"index":0,"id":"a"}]}}]})"
                        "\n\n");
    BOOST_TEST(crowd.bytes() > 500'000U);
    Assembly moved = std::move(crowd);
    BOOST_TEST(moved.bytes() > 500'000U);
    BOOST_TEST(moved.document().has_value());
}

BOOST_AUTO_TEST_CASE(the_time_is_linear_in_the_size_of_the_stream) {
    // Linear is 8 times as long, quadratic 64 times.
    const double little = std::min(seconds_for(1000), seconds_for(1000));
    BOOST_TEST(seconds_for(8000) < 24 * little);
}

BOOST_AUTO_TEST_CASE(requests_that_a_stream_cannot_carry_are_known) {
    for (const std::string_view body :
         {R"({})", R"({"best_of":1})", R"({"best_of":null})", R"({"n":2})", R"({"modalities":["text"]})",
          R"({"modalities":null,"audio":null})", R"({"echo":true,"prompt":"a"})", R"({"stream":false})",
          R"({"logprobs":5,"prompt_logprobs":0})", R"({"use_beam_search":false})", " [ ]\n"})
        for (const Endpoint endpoint : {chat, completions, responses, messages})
            BOOST_TEST(can_stream(endpoint, body), body);
    for (const std::string_view body :
         {R"({"best_of":2})", R"({"best_of":1,"best_of":3})", R"({"b\u0065st_of":2})", R"({"use_beam_search":true})",
          R"({"prompt_logprobs":1})", R"({"prompt_logprobs":-1})"}) {
        BOOST_TEST(!can_stream(chat, body), body);
        BOOST_TEST(!can_stream(completions, body), body);
    }
    for (const std::string_view body :
         {"\n{\"modalities\":[\"text\", \"audio\"]}", R"({"audio":{"voice":"alloy","format":"pcm16"}})"})
        BOOST_TEST(!can_stream(chat, body), body);
    BOOST_TEST(!can_stream(responses, R"({"background":true})"));
    BOOST_TEST(can_stream(responses, R"({"background":false})"));
    BOOST_TEST(can_stream(chat, R"({"background":true})"));
    for (const Endpoint endpoint : {Endpoint::embeddings, Endpoint::models, Endpoint::other})
        BOOST_TEST(!can_stream(endpoint, "{}"));
}

BOOST_AUTO_TEST_SUITE_END()
