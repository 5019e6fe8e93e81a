// The splicer on Messages: blocks and their numbers, thinking until it is signed, calls until the end (resumption.md,
// "Dialects").
#include <boost/test/unit_test.hpp>

#include "splicer_play.hpp"

using namespace streamkeeper;
using namespace streamkeeper::splicing;

namespace {

std::string event(std::string_view type, std::string_view more) {
    return named(type, "{\"type\":\"" + std::string(type) + "\"" + (more.empty() ? "" : ",") + std::string(more) + "}");
}
std::string start(std::string_view id = "msg_1", std::string_view model = "claude") {
    return event("message_start", "\"message\":{\"id\":\"" + std::string(id) +
                                      "\",\"role\":\"assistant\",\"model\":\"" + std::string(model) +
                                      "\",\"content\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}");
}
std::string begun(int index, std::string_view block = R"({"type":"text","text":""})") {
    return event("content_block_start",
                 "\"index\":" + std::to_string(index) + ",\"content_block\":" + std::string(block));
}
std::string delta(int index, std::string_view delta) {
    return event("content_block_delta",
                 "\"index\":" + std::to_string(index) + ",\"delta\":{" + std::string(delta) + "}");
}
std::string say(int index, std::string_view words) {
    return delta(index, "\"type\":\"text_delta\",\"text\":\"" + std::string(words) + "\"");
}
std::string think(int index, std::string_view words) {
    return delta(index, "\"type\":\"thinking_delta\",\"thinking\":\"" + std::string(words) + "\"");
}
std::string sign(int index) { return delta(index, R"("type":"signature_delta","signature":"sig")"); }
std::string shut(int index) { return event("content_block_stop", "\"index\":" + std::to_string(index)); }
std::string end(std::string_view reason = "end_turn") {
    return event("message_delta", "\"delta\":{\"stop_reason\":\"" + std::string(reason) +
                                      "\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":9}");
}
const std::string over = event("message_stop", ""), ping = event("ping", "");
const std::string thinking = R"({"type":"thinking","thinking":"","signature":""})";
const std::string call = R"({"type":"tool_use","id":"toolu_1","name":"run","input":{}})";
std::string arguments(int index, std::string_view json) {
    return delta(index, "\"type\":\"input_json_delta\",\"partial_json\":\"" + std::string(json) + "\"");
}

struct Broken : Watched {
    explicit Broken(const std::string& events, const Join& join) : Watched(Endpoint::messages) {
        take(events);
        begin(join);
        shown.clear();
    }
};

const std::string hello = start() + begun(0) + say(0, "Hello") + say(0, " wor");

}  // namespace

BOOST_AUTO_TEST_SUITE(splicer_messages)

BOOST_AUTO_TEST_CASE(a_healthy_stream_is_shown_as_it_came) {
    Watched stream(Endpoint::messages);
    BOOST_TEST(stream.take(start() + ping + begun(0)) == "");
    BOOST_TEST(stream.take(say(0, "Hello")) == start() + ping + begun(0) + say(0, "Hello"));
    BOOST_TEST(stream.take(say(0, " ") + ping + say(0, "world")) == say(0, " ") + ping + say(0, "world"));
    BOOST_TEST(stream.take(shut(0)) == "");  // until then the text can be gone on with
    BOOST_TEST(stream.take(end()) == shut(0) + end());
    BOOST_TEST(stream.splicer.finished());
    BOOST_TEST(stream.splicer.finish_reason() == "end_turn");
    BOOST_TEST(stream.take(over + ping) == over);
    BOOST_TEST(stream.splicer.terminal());
}

BOOST_AUTO_TEST_CASE(a_stop_without_a_reason_is_a_break) {
    Watched stream(Endpoint::messages);
    BOOST_TEST(stream.take(hello + shut(0) + over) == hello);
    BOOST_TEST((stream.splicer.fault() == Fault::ended_early));
    Watched null(Endpoint::messages);
    null.take(hello + event("message_delta", R"("delta":{"stop_reason":null})") + over);
    BOOST_TEST((null.splicer.fault() == Fault::ended_early));
    Watched error(Endpoint::messages);
    error.take(hello + event("error", R"("error":{"type":"overloaded_error","message":"m"})"));
    BOOST_TEST((error.splicer.fault() == Fault::error));
}

BOOST_AUTO_TEST_CASE(an_event_without_a_name_gets_one_and_keeps_its_line) {
    Watched stream(Endpoint::messages);
    std::string bare;
    sse::Splitter splitter;
    splitter.feed(hello);
    for (std::string_view one; splitter.next(one);) bare += one.substr(one.find('\n') + 1);
    BOOST_TEST(stream.take(bare) == hello);
}

BOOST_AUTO_TEST_CASE(a_continuation_goes_on_in_the_open_block) {
    Broken stream(hello, going_on());
    BOOST_TEST((stream.splicer.seen() == Seen::text));
    BOOST_TEST(stream.take(start("msg_2") + begun(0)) == "");
    BOOST_TEST(stream.take(say(0, "ld") + shut(0)) == say(0, "ld"));
    BOOST_TEST(stream.splicer.transcript().text() == "Hello world");
    BOOST_TEST(stream.take(end() + over) == shut(0) + end() + over);
}

BOOST_AUTO_TEST_CASE(words_in_the_opening_of_the_joined_block_are_a_delta) {
    Broken stream(hello, going_on());
    BOOST_TEST(stream.take(start("msg_2") + begun(0, R"({"type":"text","text":"ld"})")) == say(0, "ld"));
}

BOOST_AUTO_TEST_CASE(blocks_behind_the_joined_one_are_numbered_on) {
    Broken stream(start() + begun(0, thinking) + think(0, "hm") + sign(0) + shut(0) + begun(1) + say(1, "Hello"),
                  saying_again("Hello"));
    BOOST_TEST(stream.take(start("msg_2") + begun(0) + say(0, "Hello world") + shut(0) + begun(1, call)) ==
               say(1, " world"));
    BOOST_TEST(stream.take(arguments(1, "{}") + shut(1) + end("tool_use") + over) ==
               shut(1) + begun(2, call) + arguments(2, "{}") + shut(2) + end("tool_use") + over);
}

BOOST_AUTO_TEST_CASE(the_stop_of_a_text_waits_so_that_the_text_can_be_gone_on_with) {
    Broken stream(hello + shut(0) + begun(1, call) + arguments(1, "{"), going_on());
    BOOST_TEST((stream.splicer.seen() == Seen::text));
    BOOST_TEST(stream.take(start("msg_2") + begun(0) + say(0, "ld") + shut(0) + end() + over) ==
               say(0, "ld") + shut(0) + end() + over);
}

BOOST_AUTO_TEST_CASE(a_second_text_that_was_not_shown_changes_nothing) {
    Broken stream(hello + shut(0) + begun(1), going_on());
    BOOST_TEST((stream.splicer.seen() == Seen::text));
    BOOST_TEST(stream.take(start("msg_2") + begun(0) + say(0, "ld")) == say(0, "ld"));
}

BOOST_AUTO_TEST_CASE(a_second_text_that_was_shown_can_not_be_gone_on_with) {
    Watched stream(Endpoint::messages);
    const std::string events = hello + shut(0) + begun(1) + say(1, "More");
    BOOST_TEST(stream.take(events) == events);
    BOOST_TEST((stream.splicer.seen() == Seen::fixed));
}

BOOST_AUTO_TEST_CASE(thinking_is_shown_when_it_is_signed) {
    Watched stream(Endpoint::messages);
    const std::string thought = start() + begun(0, thinking) + think(0, "so ") + think(0, "so") + sign(0);
    BOOST_TEST(stream.take(thought) == "");
    BOOST_TEST((stream.splicer.seen() == Seen::nothing));
    BOOST_TEST(stream.splicer.began());
    BOOST_TEST(stream.take(shut(0)) == thought + shut(0));
    BOOST_TEST((stream.splicer.seen() == Seen::reasoning));
    BOOST_TEST(stream.take(begun(1) + say(1, "a")) == begun(1) + say(1, "a"));
}

BOOST_AUTO_TEST_CASE(thinking_that_broke_was_never_seen_and_later_thinking_is_not_shown) {
    Broken unsigned_one(start() + begun(0, thinking) + think(0, "so"), Join());
    BOOST_TEST((unsigned_one.splicer.seen() == Seen::nothing));
    const std::string answer =
        start("msg_2") + begun(0, thinking) + think(0, "x") + sign(0) + shut(0) + begun(1) + say(1, "a");
    BOOST_TEST(unsigned_one.take(answer) == answer);
    Broken seen(start() + begun(0, thinking) + think(0, "so") + sign(0) + shut(0), Join());
    BOOST_TEST(seen.take(answer + shut(1) + end() + over) == begun(1) + say(1, "a") + shut(1) + end() + over);
    Broken redacted(start() + begun(0, R"({"type":"redacted_thinking","data":"AAAA"})") + shut(0), Join());
    BOOST_TEST((redacted.splicer.seen() == Seen::reasoning));
}

BOOST_AUTO_TEST_CASE(calls_are_held_until_the_end) {
    Watched stream(Endpoint::messages);
    const std::string called = shut(0) + begun(1, call) + arguments(1, "{") + arguments(1, "}") + shut(1);
    BOOST_TEST(stream.take(hello + called) == hello);
    BOOST_TEST(stream.take(end("tool_use") + over) == called + end("tool_use") + over);
    SplicerSettings settings;
    settings.hold_calls = false;
    Watched shown(Endpoint::messages, settings);
    BOOST_TEST(shown.take(hello + called) == hello + called);
    BOOST_TEST((shown.splicer.seen() == Seen::fixed));
}

BOOST_AUTO_TEST_CASE(what_is_said_again_is_taken_off_inside_a_delta) {
    Broken stream(hello, saying_again("Hello wor"));
    BOOST_TEST(stream.take(start("msg_2") + begun(0) + say(0, "Hel") + say(0, "lo worl")) == say(0, "l"));
    BOOST_TEST(stream.take(say(0, "d") + shut(0) + end() + over) == say(0, "d") + shut(0) + end() + over);
    for (const std::string& other : {say(0, "Hallo"), say(0, "Hello") + end(), shut(0) + begun(1, call),
                                     shut(0) + begun(1, R"({"type":"server_tool_use"})")}) {
        Broken diverged(hello, saying_again("Hello wor"));
        BOOST_TEST(diverged.take(start("msg_2") + begun(0) + other) == "");
        BOOST_TEST((diverged.splicer.fault() == Fault::diverged));
        BOOST_TEST(!diverged.splicer.finished());
    }
}

BOOST_AUTO_TEST_CASE(another_model_may_not_go_on) {
    Broken stream(hello, going_on());
    BOOST_TEST(stream.take(start("msg_2", "claude-mini")) == "");
    BOOST_TEST((stream.splicer.fault() == Fault::other_model));
}

BOOST_AUTO_TEST_CASE(in_whole_and_off_mode) {
    const std::string all = hello + shut(0) + begun(1, thinking) + think(1, "x") + sign(1) + shut(1);
    Watched whole(Endpoint::messages, in_mode(ResumeMode::whole));
    BOOST_TEST(whole.take(all) == "");
    BOOST_TEST(whole.take(end() + over) == all + end() + over);
    Watched off(Endpoint::messages, in_mode(ResumeMode::off));
    BOOST_TEST(off.take(hello + shut(0)) == hello + shut(0));
    BOOST_TEST(off.take(begun(1) + say(1, "x ")) == begun(1) + say(1, "x "));
}

BOOST_AUTO_TEST_CASE(a_citation_is_no_text_to_go_on_with) {
    Watched stream(Endpoint::messages);
    const std::string cited = delta(0, R"("type":"citations_delta","citation":{"type":"page"})");
    BOOST_TEST(stream.take(hello + cited) == hello + cited);
    BOOST_TEST((stream.splicer.seen() == Seen::fixed));
}

BOOST_AUTO_TEST_SUITE_END()
