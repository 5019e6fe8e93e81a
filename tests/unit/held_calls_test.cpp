// Pieces of tool calls, joined.
#include "llm/held_calls.hpp"

#include <boost/test/unit_test.hpp>

using namespace streamkeeper;

namespace {

/// Each whole call on a line.
std::string joined(std::initializer_list<std::string_view> pieces) {
    HeldCalls calls;
    for (const std::string_view one : pieces) calls.add(one);
    std::string text;
    for (const std::string& call : calls.whole()) text += call + "\n";
    return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(held_calls)

BOOST_AUTO_TEST_CASE(nothing_is_no_call) {
    HeldCalls calls;
    BOOST_TEST(calls.empty());
    BOOST_TEST(calls.whole().empty());
    calls.add("[]");
    BOOST_TEST(!calls.empty());
    BOOST_TEST(calls.whole().empty());
}

BOOST_AUTO_TEST_CASE(pieces_bytes_and_clearing_are_counted) {
    HeldCalls calls;
    calls.add(R"([{"index":0,"id":"a"}])");
    calls.add(R"([{"index":0,"id":"a"}])");
    BOOST_TEST(calls.pieces() == 2u);
    BOOST_TEST(calls.bytes() == 44u);
    calls.clear();
    BOOST_TEST(calls.empty());
    BOOST_TEST(calls.bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(members_stay_in_their_order_and_arguments_come_last) {
    BOOST_TEST(
        joined(
            {R"([{"index":0,"type":"function","id":"a","x":{"y":[1]},"function":{"arguments":"{","name":"f","z":1}}])",
             R"([{"index":0,"function":{"arguments":"}"}}])"}) ==
        "[{\"index\":0,\"type\":\"function\",\"id\":\"a\",\"x\":{\"y\":[1]},\"function\":{\"name\":\"f\",\"z\":1,"
        "\"arguments\":\"{}\"}}]\n");
}

BOOST_AUTO_TEST_CASE(the_first_value_that_says_something_stays) {
    BOOST_TEST(joined({R"([{"index":0,"id":null,"function":{"name":"","arguments":""}}])",
                       R"([{"index":0,"id":"a","function":{"name":"f"}}])",
                       R"([{"index":0,"id":"","function":{"name":null}}])"}) ==
               "[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]\n");
}

BOOST_AUTO_TEST_CASE(a_name_may_come_behind_the_arguments) {
    BOOST_TEST(joined({R"([{"index":0,"id":"a","function":{"arguments":"{}"}}])",
                       R"([{"index":0,"function":{"name":"f"}}])"}) ==
               "[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]\n");
}

BOOST_AUTO_TEST_CASE(arguments_keep_their_escapes) {
    BOOST_TEST(joined({R"([{"index":0,"id":"a","function":{"name":"f","arguments":"{\"a\":\"\\"}}])",
                       R"([{"index":0,"function":{"arguments":"n\ud83d"}}])",
                       R"([{"index":0,"function":{"arguments":"\ude00\"}"}}])"}) ==
               R"([{"index":0,"id":"a","function":{"name":"f","arguments":"{\"a\":\"\\n\ud83d\ude00\"}"}}])"
               "\n");
}

BOOST_AUTO_TEST_CASE(an_id_that_changes_within_a_call_stays_the_first_one) {
    BOOST_TEST(joined({R"([{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}])",
                       R"([{"index":0,"id":"b","function":{"arguments":"}"}}])"}) ==
               "[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]\n");
}

BOOST_AUTO_TEST_CASE(many_calls_keep_the_order_in_which_they_began) {
    BOOST_TEST(joined({R"([{"index":2,"id":"c","function":{"name":"h"}}])",
                       R"([{"index":0,"id":"a","function":{"name":"f"}}])",
                       R"([{"index":2,"function":{"arguments":"2"}},{"index":0,"function":{"arguments":"0"}}])"}) ==
               "[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"h\",\"arguments\":\"2\"}}]\n"
               "[{\"index\":1,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"0\"}}]\n");
}

BOOST_AUTO_TEST_CASE(a_legacy_call_is_one) {
    BOOST_TEST(joined({R"({"name":"f"})", R"({"arguments":"{"})", R"({"arguments":"}"})"}) ==
               "{\"name\":\"f\",\"arguments\":\"{}\"}\n");
}

BOOST_AUTO_TEST_CASE(what_is_no_call_is_left_out) {
    BOOST_TEST(joined({R"([null,1,"x",[{"index":0}]])"}) == "");
    BOOST_TEST(joined({R"([{"index":0,"function":null}])"}) == "[{\"index\":0,\"function\":{}}]\n");
}

BOOST_AUTO_TEST_SUITE_END()
