// Chunks and typed events in other words: names pinned, parts taken out, everything else kept.
#include "llm/chunk_retelling.hpp"

#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>

#include "llm/typed_retelling.hpp"
#include "streamkeeper/sse.hpp"

using namespace streamkeeper;

namespace {

const ChunkNames nobody, ours{"\"ours\"", "1", "\"m\""};

std::string retold(std::string_view data, const ChunkEdit& edit) { return retell_chunk(data, edit).event; }
Shows shows_of(std::string_view data) {
    sse::Event event;
    event.data = data;
    return dialect_of(Endpoint::chat_completions)->shows(event);
}
std::string event_of(std::string_view data) { return "data: " + std::string(data) + "\n\n"; }

}  // namespace

BOOST_AUTO_TEST_SUITE(chunk_retelling)

BOOST_AUTO_TEST_CASE(without_an_edit_every_member_stays) {
    for (
        const char* data :
        {R"({"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":"a","x":[1,{"y":null}]},"logprobs":{"content":[]},"finish_reason":"stop"}],"usage":{"a":1},"x_vendor":-1.5e3})",
         R"({"choices":[]})", R"({})", R"({"choices":null})", R"({"choices":[null,1,"x"]})",
         R"({"choices":[{"delta":null,"text":"t"}]})",
         R"({"choices":[{"delta":{"content":[{"type":"text"}],"reasoning_details":[{"a":1}],"tool_calls":[{"index":0}]}}]})"})
        BOOST_TEST(retold(data, {nobody}) == event_of(data));
}

BOOST_AUTO_TEST_CASE(names_are_pinned_where_they_stand) {
    BOOST_TEST(retold(R"({"id":"x","model":null,"created":2,"object":"o","choices":[]})", {ours}) ==
               event_of(R"({"id":"ours","model":"m","created":1,"object":"o","choices":[]})"));
    BOOST_TEST(retold(R"({"choices":[]})", {ours}) == event_of(R"({"choices":[]})"));
    BOOST_TEST(retold(R"({"\u0069d":"x"})", {ours}) == event_of(R"({"\u0069d":"ours"})"));
}

BOOST_AUTO_TEST_CASE(names_are_learnt_once_and_only_if_they_say_something) {
    ChunkNames names;
    names.learn(shows_of(R"({"id":"","created":0,"model":null})"));
    BOOST_TEST((names.id.empty() && names.created.empty() && names.model.empty()));
    BOOST_TEST(!names.differ(shows_of(R"({"id":"a","created":5,"model":"m"})")));
    names.learn(shows_of(R"({"id":"a","created":5})"));
    names.learn(shows_of(R"({"id":"b","created":6,"model":"m"})"));
    BOOST_TEST(names.id == "\"a\"");
    BOOST_TEST(names.created == "5");
    BOOST_TEST(names.model == "\"m\"");
    BOOST_TEST(!names.differ(shows_of(R"({"model":"m","id":"a"})")));
    BOOST_TEST(!names.differ(shows_of(R"({"choices":[{"id":"z"}]})")));
    for (const char* other : {R"({"id":"b"})", R"({"id":""})", R"({"created":6})", R"({"model":null})"})
        BOOST_TEST(names.differ(shows_of(other)));
}

BOOST_AUTO_TEST_CASE(parts_are_taken_out) {
    const char* const data =
        R"({"choices":[{"delta":{"role":"assistant","content":"a","reasoning":"r","tool_calls":[{"index":0}]},"finish_reason":"stop"}]})";
    ChunkEdit edit{nobody};
    edit.without_role = true;
    BOOST_TEST(
        retold(data, edit) ==
        event_of(
            R"({"choices":[{"delta":{"content":"a","reasoning":"r","tool_calls":[{"index":0}]},"finish_reason":"stop"}]})"));
    ChunkEdit more{nobody};
    more.without_reasoning = more.without_calls = more.without_finish = true;
    BOOST_TEST(retold(data, more) ==
               event_of(R"({"choices":[{"delta":{"role":"assistant","content":"a"},"finish_reason":null}]})"));
    more.without_text = more.without_role = true;
    const RetoldChunk nothing = retell_chunk(data, more);
    BOOST_TEST(nothing.event == event_of(R"({"choices":[{"delta":{"content":""},"finish_reason":null}]})"));
    BOOST_TEST(nothing.empty);
}

BOOST_AUTO_TEST_CASE(text_and_calls_are_replaced) {
    ChunkEdit edit{nobody};
    edit.text = "\\nworld";
    BOOST_TEST(retold(R"({"choices":[{"delta":{"content":"Hello\nworld"}}]})", edit) ==
               event_of(R"({"choices":[{"delta":{"content":"\nworld"}}]})"));
    BOOST_TEST(retold(R"({"choices":[{"text":"Hello\nworld"}]})", edit) ==
               event_of(R"({"choices":[{"text":"\nworld"}]})"));
    BOOST_TEST(retold(R"({"choices":[{"delta":{"content":""}}]})", edit) ==
               event_of(R"({"choices":[{"delta":{"content":""}}]})"));
    ChunkEdit calls{nobody};
    calls.calls = "[7]";
    BOOST_TEST(retold(R"({"choices":[{"delta":{"tool_calls":[{"index":0}]}}]})", calls) ==
               event_of(R"({"choices":[{"delta":{"tool_calls":[7]}}]})"));
    BOOST_TEST(retold(R"({"choices":[{"delta":{"tool_calls":[]}}]})", calls) ==
               event_of(R"({"choices":[{"delta":{"tool_calls":[]}}]})"));
}

BOOST_AUTO_TEST_CASE(empty_is_what_no_client_could_miss) {
    const auto empty = [](std::string_view data) { return retell_chunk(data, {nobody}).empty; };
    for (const char* nothing :
         {R"({"choices":[]})", R"({"choices":[{"delta":{"content":""},"finish_reason":null}]})",
          R"({"choices":[{"delta":{"content":null,"tool_calls":[],"reasoning":""}}],"usage":null})"})
        BOOST_TEST(empty(nothing));
    for (const char* something :
         {R"({"choices":[{"delta":{"content":"a"}}]})", R"({"choices":[{"delta":{"reasoning":"a"}}]})",
          R"({"choices":[{"finish_reason":"stop"}]})", R"({"usage":{"a":1}})",
          R"({"choices":[{"delta":{"role":"assistant"}}]})", R"({"choices":[{"delta":{"tool_calls":[{}]}}]})",
          R"({"choices":[{"delta":{"refusal":"a"}}]})", R"({"choices":[{"text":"a"}]})"})
        BOOST_TEST(!empty(something));
}

BOOST_AUTO_TEST_CASE(the_place_of_the_text_is_known) {
    const RetoldChunk one = retell_chunk(R"({"id":"x","choices":[{"delta":{"content":"abc"}}]})", {ours});
    BOOST_TEST(one.event.substr(one.text_at, 4) == "abc\"");
    BOOST_TEST(retell_chunk(R"({"choices":[{"delta":{"content":""}}]})", {ours}).text_at == 0u);
}

BOOST_AUTO_TEST_CASE(a_chunk_is_one_line_and_its_padding_is_left_out) {
    BOOST_TEST(retold("{\"id\" :\n \"x\",\r\n\"choices\": [ {\"a\":[1,\n2]} ] ,\"obfuscation\":\"qq\"}", {nobody}) ==
               event_of("{\"id\":\"x\",\"choices\":[{\"a\":[1, 2]}]}"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(typed_retelling)

BOOST_AUTO_TEST_CASE(a_block_gets_another_number) {
    std::string joined;
    const sse::Event event =
        sse::read("event: content_block_stop\ndata: {\"type\":\"content_block_stop\", \"index\": 0}\n\n", joined);
    BOOST_TEST(with_index(event, 12) ==
               "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":12}\n\n");
    BOOST_TEST(
        text_delta(3, "a\\n") ==
        "event: content_block_delta\ndata: "
        "{\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\\n\"}}\n\n");
}

BOOST_AUTO_TEST_CASE(an_item_is_told_under_other_ids) {
    std::string joined;
    const sse::Event event = sse::read(
        "data: {\"type\":\"response.x\",\"sequence_number\":3,\"item_id\":\"msg_2\",\"delta\":\"about "
        "msg_2\",\"response\":{\"id\":\"resp_2\",\"created_at\":9,\"output\":[{\"id\":\"msg_2\"}]}}\n\n",
        joined);
    const std::pair<std::string, std::string> renamed[] = {{"msg_2", "msg_1"}, {"resp_2", "resp_1"}};
    BOOST_TEST(retell_item(event, {renamed, 44, "7"}) ==
               "event: response.x\ndata: "
               "{\"type\":\"response.x\",\"sequence_number\":44,\"item_id\":\"msg_1\",\"delta\":\"about "
               "msg_2\",\"response\":{\"id\":\"resp_1\",\"created_at\":7,\"output\":[{\"id\":\"msg_1\"}]}}\n\n");
    BOOST_TEST(retell_item(event, {{}, 5, {}, true, "new"})
                   .find("\"sequence_number\":5,\"item_id\":\"msg_2\",\"delta\":\"new\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_place_is_known_if_it_is_the_only_one) {
    BOOST_TEST(inside_at("{\"a\":\"x\"}", "x") == 6u);
    BOOST_TEST(inside_at("{\"x\":\"x\"}", "x") == 0u);
    BOOST_TEST(inside_at("{}", "x") == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
