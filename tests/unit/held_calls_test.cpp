// Pieces of tool calls, joined. Which call a piece belongs to is Assembly's to say (assembly_calls_test).
#include "llm/held_calls.hpp"

#include <boost/test/unit_test.hpp>

using namespace streamkeeper;

namespace {

void add(HeldCalls& calls, std::string_view piece) {
    const std::string name = piece.starts_with('[') ? "tool_calls" : "function_call";
    calls.add("{\"content\":null,\"" + name + "\":" + std::string(piece) + "}");
}

/// Each whole call on a line.
std::string joined(std::initializer_list<std::string_view> pieces) {
    HeldCalls calls;
    for (const std::string_view one : pieces) add(calls, one);
    std::string text;
    for (const std::string& call : calls.whole()) text += call + "\n";
    return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(held_calls)

BOOST_AUTO_TEST_CASE(a_delta_without_calls_is_none) {
    HeldCalls calls;
    for (const std::string_view delta : {"{}", R"({"tool_calls":[]})", R"({"tool_calls":null,"function_call":{}})"})
        calls.add(delta);
    BOOST_TEST(calls.empty());
    BOOST_TEST(calls.whole().empty());
    BOOST_TEST(calls.bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(pieces_and_bytes_are_counted_and_cleared) {
    HeldCalls calls;
    add(calls, R"([{"index":0,"id":"a"}])");
    const std::size_t before = calls.bytes();
    add(calls, R"([{"index":0,"function":{"arguments":")" + std::string(1000, 'x') + R"("}}])");
    BOOST_TEST(calls.pieces() == 2u);
    BOOST_TEST(calls.bytes() >= before + 1000);
    calls.clear();
    BOOST_TEST(calls.empty());
    BOOST_TEST(calls.bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(members_of_vendors_stay) {
    BOOST_TEST(
        joined(
            {R"([{"index":0,"type":"function","id":"a","x":{"y":[1]},"function":{"arguments":"{","name":"f","z":1}}])",
             R"([{"index":0,"function":{"arguments":"}"}}])"}) ==
        "[{\"index\":0,\"type\":\"function\",\"id\":\"a\",\"x\":{\"y\":[1]},\"function\":{\"arguments\":\"{}\","
        "\"name\":\"f\",\"z\":1}}]\n");
}

BOOST_AUTO_TEST_CASE(the_first_value_that_says_something_stays) {
    BOOST_TEST(joined({R"([{"index":0,"id":null,"function":{"name":"","arguments":""}}])",
                       R"([{"index":0,"id":"a","function":{"name":"f"}}])",
                       R"([{"index":0,"id":"","function":{"name":null}}])"}) ==
               "[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]\n");
}

BOOST_AUTO_TEST_CASE(arguments_keep_their_escapes) {
    BOOST_TEST(joined({R"([{"index":0,"id":"a","function":{"name":"f","arguments":"{\"a\":\"\\"}}])",
                       R"([{"index":0,"function":{"arguments":"n\ud83d"}}])",
                       R"([{"index":0,"function":{"arguments":"\ude00\"}"}}])"}) ==
               R"([{"index":0,"id":"a","function":{"name":"f","arguments":"{\"a\":\"\\n\ud83d\ude00\"}"}}])"
               "\n");
}

BOOST_AUTO_TEST_CASE(calls_are_numbered_densely_in_the_order_of_their_index) {
    BOOST_TEST(joined({R"([{"index":2,"id":"c","function":{"name":"h"}}])",
                       R"([{"index":0,"id":"a","function":{"name":"f"}}])",
                       R"([{"index":2,"function":{"arguments":"2"}},{"index":0,"function":{"arguments":"0"}}])"}) ==
               "[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"0\"}}]\n"
               "[{\"index\":1,\"id\":\"c\",\"function\":{\"name\":\"h\",\"arguments\":\"2\"}}]\n");
}

BOOST_AUTO_TEST_CASE(calls_without_index_and_id_are_told_apart_by_their_arguments) {
    BOOST_TEST(joined({R"([{"function":{"name":"f","arguments":"{\"a\":1}"}}])",
                       R"([{"function":{"name":"f","arguments":"{\"a\":2}"}}])"}) ==
               "[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]\n"
               "[{\"index\":1,\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":2}\"}}]\n");
}

BOOST_AUTO_TEST_CASE(a_legacy_call_is_one) {
    BOOST_TEST(joined({R"({"name":"f"})", R"({"arguments":"{"})", R"({"arguments":"}"})"}) ==
               "{\"name\":\"f\",\"arguments\":\"{}\"}\n");
}

BOOST_AUTO_TEST_CASE(what_is_no_call_is_left_out) { BOOST_TEST(joined({R"([null,1,"x",[{"index":0}]])"}) == ""); }

BOOST_AUTO_TEST_SUITE_END()
