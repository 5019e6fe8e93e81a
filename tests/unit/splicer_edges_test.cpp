// Rare shapes of events in which text, half of a character or a count could be lost, doubled or passed unseen.
#include <boost/test/unit_test.hpp>

#include "splicer_play.hpp"

using namespace streamkeeper;
using namespace streamkeeper::splicing;

namespace {

/// A stream that broke behind `events`, and the attempt that follows.
struct Broken : Watched {
    Broken(const std::string& events, const Join& join, Endpoint endpoint = Endpoint::chat_completions)
        : Watched(endpoint) {
        take(events);
        begin(join);
        shown.clear();
    }
    bool failed(Fault fault) const { return splicer.fault() == fault && shown.empty(); }
};
Join doubted() {
    Join join = going_on();
    join.doubtful = true;
    return join;
}
Join terse(Join join = {}) {
    join.finish_optional = true;
    return join;
}
std::string block(std::string_view type, std::string_view more) {
    return named(type, "{\"type\":\"" + std::string(type) + "\"," + std::string(more) + "}");
}
const std::string fox = "The quick brown fox jumps over";

}  // namespace

BOOST_AUTO_TEST_SUITE(splicer_edges)

BOOST_AUTO_TEST_CASE(an_end_without_a_finish_has_said_all_again_or_it_is_none) {
    Broken stream(text("Hello big world"), terse(saying_again("Hello big world")));
    stream.take(text("Hello") + done);
    BOOST_TEST(stream.failed(Fault::diverged));
}

BOOST_AUTO_TEST_CASE(an_end_without_a_finish_is_one_of_chunks_alone) {
    const std::string hello =
        block("message_start", R"("message":{"id":"m","model":"c","content":[]})") +
        block("content_block_start", R"("index":0,"content_block":{"type":"text","text":""})") +
        block("content_block_delta", R"("index":0,"delta":{"type":"text_delta","text":"Hello "})");
    Watched stream(Endpoint::messages, {}, terse());
    stream.take(hello + done);
    BOOST_TEST(!stream.splicer.finished());
    BOOST_TEST((stream.splicer.fault() == Fault::ended_early));
}

BOOST_AUTO_TEST_CASE(words_that_come_with_the_finish_are_looked_at_too) {
    Broken stream(text(fox), doubted());
    stream.take(chunk("\"content\":\"" + fox + " the lazy dog\"", "\"stop\""));
    BOOST_TEST(stream.failed(Fault::anew));
}

BOOST_AUTO_TEST_CASE(a_seam_in_doubt_waits_for_words_however_long_the_reasoning_takes) {
    Broken stream(text(fox), doubted());
    BOOST_TEST(stream.take(role() + reasoning("hm")) == "");
    BOOST_TEST(stream.judge() == "");
    BOOST_TEST(stream.take(text(" ")) == "");
    BOOST_TEST(stream.judge() == "");
    BOOST_TEST(!stream.splicer.doubting());  // nothing to look at yet, so that silence is silence
    stream.take(text("words"));
    BOOST_TEST(stream.splicer.doubting());
    Broken again(text(fox), doubted());
    again.take(reasoning("hm"));
    again.judge();
    again.take(text(fox + " the lazy dog") + stop());
    BOOST_TEST(again.failed(Fault::anew));
}

BOOST_AUTO_TEST_CASE(a_seam_in_doubt_is_judged_before_it_is_released) {
    Broken stream(text(fox), doubted());
    stream.take(text(fox + " the"));
    BOOST_TEST(stream.release() == "");
    BOOST_TEST(stream.failed(Fault::anew));
}

BOOST_AUTO_TEST_CASE(what_stands_beside_text_can_not_be_gone_on_with_either) {
    SplicerSettings in_pieces;
    in_pieces.hold_calls = false;
    const std::string call = R"("tool_calls":[{"index":0,"id":"t","function":{"name":"f","arguments":""}}])";
    for (const std::string& beside : {std::string(R"("images":[{"u":1}])"), std::string(R"("refusal":"no")"), call}) {
        Watched stream(Endpoint::chat_completions, in_pieces);
        stream.take(chunk("\"content\":\"Here\"," + beside));
        BOOST_TEST((stream.splicer.seen() == Seen::fixed), beside);
        Watched blank(Endpoint::chat_completions, in_pieces);
        blank.take(chunk("\"content\":\"Here \"," + beside) + text("it"));
        BOOST_TEST((blank.splicer.seen() == Seen::fixed), beside);
    }
    Watched held;  // the call is held, so that the client has text alone
    held.take(chunk("\"content\":\"Here\"," + call));
    BOOST_TEST((held.splicer.seen() == Seen::text));
}

BOOST_AUTO_TEST_CASE(data_that_is_no_object_says_nothing) {
    Watched stream;
    stream.take(text("a"));
    for (const char* nothing : {"null", "123", "\"hi\"", "true"}) BOOST_TEST(stream.take(line_of(nothing)) == "");
    BOOST_TEST(stream.take(text("b") + stop()) == text("b") + stop());
}

BOOST_AUTO_TEST_CASE(what_was_held_and_thrown_away_is_not_counted) {
    Watched stream;
    stream.take(text("a") + piece(R"({"index":0,"id":"t","function":{"name":"f","arguments":""}})"));
    for (int i = 0; i < 50; ++i) stream.take(reasoning("r"));
    stream.begin(going_on());
    BOOST_TEST(stream.splicer.tokens() == 1u);
}

BOOST_AUTO_TEST_CASE(white_space_that_is_said_again_is_no_part_of_what_is_used) {
    Watched stream;
    stream.take(text("a") + text("b") + text(" ") + text(" ") + text("  "));
    BOOST_TEST(stream.splicer.tokens() == 4u);
    BOOST_TEST(stream.splicer.prefix(64) == "ab");
    BOOST_TEST(stream.splicer.tokens_of_prefix(64) == 2u);
    stream.take(text("c"));
    BOOST_TEST(stream.splicer.prefix(64) == "ab    c");
    BOOST_TEST(stream.splicer.tokens_of_prefix(64) == 6u);
}

BOOST_AUTO_TEST_CASE(hidden_reasoning_of_a_restart_is_used_and_that_of_the_first_attempt_is_not) {
    Watched stream;
    stream.take(reasoning("a") + reasoning("b"));
    stream.begin();
    stream.take(reasoning("c") + reasoning("d") + reasoning("e") + text("x"));
    BOOST_TEST(stream.splicer.tokens() == 4u);
    stream.begin(going_on());  // its reasoning is not the answer's
    stream.take(reasoning("f") + text("y"));
    BOOST_TEST(stream.splicer.tokens() == 5u);
}

BOOST_AUTO_TEST_CASE(many_calls_behind_a_long_first_chunk_are_not_many_long_chunks) {
    const std::string more = ",\"vendor\":\"" + std::string(4096, 'x') + "\"";
    Watched stream;
    std::string call = R"({"index":0,"id":"t0","function":{"name":"f","arguments":"{}"}})";
    stream.take(chunk("\"tool_calls\":[" + call + "]", "null", {}, more));
    for (int i = 1; i < 50; ++i)
        stream.take(piece("{\"index\":" + std::to_string(i) + R"(,"id":"t)" + std::to_string(i) +
                          R"(","function":{"name":"f","arguments":"{}"}})"));
    const std::string all = stream.take(chunk("", "\"tool_calls\""));
    BOOST_TEST(all.size() < 20'000u);
    BOOST_TEST(all.find(more) != all.npos);
    BOOST_TEST(all.find("\"id\":\"t49\"") != all.npos);
}

BOOST_AUTO_TEST_CASE(a_character_of_which_half_was_shown_can_not_be_said_again_whole) {
    Broken stream(text("a\\ud83d"), saying_again("a\\ud83d"));
    stream.take(text("a\xF0\x9F\x98\x80 b"));
    BOOST_TEST(stream.failed(Fault::diverged));
}

BOOST_AUTO_TEST_CASE(an_empty_usage_of_a_later_attempt_is_not_told_behind_a_full_one) {
    const std::string full = R"(,"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4})";
    Broken stream(chunk("\"content\":\"a\"", "null", {}, full), going_on());
    BOOST_TEST(stream.take(chunk("\"content\":\"b\"", "null", {}, ",\"usage\":null")) == text("b"));
}

BOOST_AUTO_TEST_CASE(an_event_that_adds_nothing_has_not_joined) {
    const std::string hello = block("message_start", R"("message":{"id":"m","model":"c","content":[]})") +
                              block("content_block_start", R"("index":0,"content_block":{"type":"text","text":""})") +
                              block("content_block_delta", R"("index":0,"delta":{"type":"text_delta","text":"Hello"})");
    Broken stream(hello, going_on(), Endpoint::messages);
    const std::string ping = named("ping", R"({"type":"ping"})");
    BOOST_TEST(stream.take(ping) == ping);
    BOOST_TEST(!stream.splicer.joined());
}

BOOST_AUTO_TEST_CASE(blocks_of_one_number_are_told_apart) {
    const auto begun = [](int index) {
        return block("content_block_start",
                     "\"index\":" + std::to_string(index) + R"(,"content_block":{"type":"text","text":""})");
    };
    const auto say = [](int index, const std::string& words) {
        return block("content_block_delta", "\"index\":" + std::to_string(index) +
                                                R"(,"delta":{"type":"text_delta","text":")" + words + "\"}");
    };
    const auto shut = [](int index) { return block("content_block_stop", "\"index\":" + std::to_string(index)); };
    Watched stream(Endpoint::messages);
    const std::string start = block("message_start", R"("message":{"id":"m","model":"c","content":[]})");
    stream.take(start + begun(0) + say(0, "a") + say(0, "b") + shut(0) + begun(0) + say(0, "c") + say(0, "d"));
    BOOST_TEST(stream.shown ==
               start + begun(0) + say(0, "a") + say(0, "b") + shut(0) + begun(1) + say(1, "c") + say(1, "d"));
    Watched gap(Endpoint::messages);
    gap.take(start + begun(1) + say(0, "lost"));
    BOOST_TEST((gap.splicer.fault() == Fault::malformed));
}

BOOST_AUTO_TEST_CASE(usage_in_a_second_end_of_a_message_is_told) {
    const std::string end = block("message_delta", R"("delta":{"stop_reason":"end_turn"})"),
                      usage = block("message_delta", R"("delta":{},"usage":{"output_tokens":7})");
    Watched stream(Endpoint::messages);
    stream.take(block("message_start", R"("message":{"id":"m","model":"c","content":[]})") +
                block("content_block_start", R"("index":0,"content_block":{"type":"text","text":"a"})") +
                block("content_block_stop", R"("index":0)"));
    BOOST_TEST(stream.take(end + usage + end).ends_with(end + usage));
}

BOOST_AUTO_TEST_CASE(done_is_no_event_of_a_message_whatever_it_is_called) {
    Watched stream(Endpoint::messages);
    stream.take(block("message_start", R"("message":{"id":"m","model":"c","content":[]})") +
                block("content_block_start", R"("index":0,"content_block":{"type":"text","text":"a"})") +
                block("message_delta", R"("delta":{"stop_reason":"end_turn"})"));
    for (const std::string event : {"event: message_stop\ndata: [DONE]x\n\n", "data: [DONE]\n\n"})
        BOOST_TEST(stream.take(event) == "");
    const std::string end = named("message_stop", R"({"type":"message_stop"})");
    BOOST_TEST(stream.take(end) == end);
}

BOOST_AUTO_TEST_CASE(thinking_is_held_for_its_signature_only_where_that_serves_somebody) {
    const std::string thinking =
        block("message_start", R"("message":{"id":"m","model":"c","content":[]})") +
        block("content_block_start", R"("index":0,"content_block":{"type":"thinking","thinking":""})") +
        block("content_block_delta", R"("index":0,"delta":{"type":"thinking_delta","thinking":"hm"})");
    Watched off(Endpoint::messages, in_mode(ResumeMode::off));
    BOOST_TEST(off.take(thinking) == thinking);
    Watched exact(Endpoint::messages);
    BOOST_TEST(exact.take(thinking) == "");
}

BOOST_AUTO_TEST_CASE(the_number_of_the_next_event_follows_the_last_one) {
    Watched stream(Endpoint::responses);
    BOOST_TEST(stream.splicer.next_sequence() == 0);
    stream.take(named("response.created", R"({"type":"response.created","sequence_number":0,"response":{"id":"r"}})") +
                named("response.output_text.delta",
                      R"({"type":"response.output_text.delta","sequence_number":6,"output_index":0,"delta":"a"})"));
    BOOST_TEST(stream.splicer.next_sequence() == 7);
    BOOST_TEST(Watched().splicer.next_sequence() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
