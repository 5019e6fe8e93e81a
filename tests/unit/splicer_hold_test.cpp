// What is kept back, and when it is shown (resumption.md, "What is held"; chat).
#include <boost/test/unit_test.hpp>

#include "splicer_play.hpp"

using namespace streamkeeper;
using namespace streamkeeper::splicing;

BOOST_AUTO_TEST_SUITE(splicer_hold)

BOOST_AUTO_TEST_CASE(nothing_is_shown_before_output_and_then_all_of_it_in_order) {
    Watched stream;
    BOOST_TEST(stream.take(": OPENROUTER PROCESSING\n\n" + role() + chunk("")) == "");
    BOOST_TEST((stream.splicer.seen() == Seen::nothing));
    BOOST_TEST(!stream.splicer.began());
    BOOST_TEST(stream.take(text("Hi")) == role() + chunk("") + text("Hi"));
    BOOST_TEST((stream.splicer.seen() == Seen::text));
    BOOST_TEST(stream.take(stop() + usage() + done) == stop() + usage() + done);
    BOOST_TEST(stream.splicer.finished());
    BOOST_TEST(stream.splicer.terminal());
    BOOST_TEST(stream.splicer.finish_reason() == "stop");
    BOOST_TEST(stream.splicer.transcript().text() == "Hi");
}

BOOST_AUTO_TEST_CASE(text_that_ends_in_white_space_is_shown_with_the_next_one) {
    for (const char* tail : {" ", "\\n", "\\t", "\\r", "\\u0020", "\\u00a0", "\\u3000", "\xE3\x80\x80", "\xC2\xA0",
                             "\xE2\x80\x89", "\\u000A", "\\f"}) {
        BOOST_TEST_CONTEXT(tail) {
            Watched stream;
            stream.take(text("a"));
            const std::string event = text(std::string("b") + tail);
            BOOST_TEST(stream.take(event) == "");
            BOOST_TEST(stream.splicer.transcript().text() == "a");
            BOOST_TEST(stream.splicer.held_bytes() > 0u);
            BOOST_TEST(stream.take(text("c")) == event + text("c"));
            BOOST_TEST(stream.splicer.transcript().text() == std::string("ab") + tail + "c");
            BOOST_TEST(stream.splicer.held_bytes() == 0u);
        }
    }
}

BOOST_AUTO_TEST_CASE(text_that_only_looks_like_white_space_at_its_end_is_shown_at_once) {
    for (const char* solid : {"b", " b", "\\\\n", "\\\\u0020", "\\\"", "\\u0041", "\\u200b", "\\\\\\\\t", ".",
                              "\xE4\xBD\xA0", "\xF0\x9F\x98\x80", "\\ud83d\\ude00", "\\/"}) {
        BOOST_TEST_CONTEXT(solid) {
            Watched stream;
            stream.take(text("a"));
            BOOST_TEST(stream.take(text(solid)) == text(solid));
        }
    }
}

BOOST_AUTO_TEST_CASE(of_two_in_a_row_the_second_one_waits) {
    Watched stream;
    stream.take(text("a"));
    BOOST_TEST(stream.take(text(" ")) == "");
    BOOST_TEST(stream.take(text("\\n")) == text(" "));
    BOOST_TEST(stream.splicer.transcript().text() == "a ");
    BOOST_TEST(stream.splicer.prefix(64) == "a");
    BOOST_TEST(stream.take(text("\\n")) == text("\\n"));
    BOOST_TEST(stream.splicer.transcript().text() == "a \\n");
    BOOST_TEST(stream.splicer.prefix(64) == "a");
    BOOST_TEST(stream.take(text("b")) == text("\\n") + text("b"));
    BOOST_TEST(stream.splicer.prefix(64) == "a \\n\\nb");
}

BOOST_AUTO_TEST_CASE(a_prefix_ends_where_an_event_ended_if_little_white_space_follows_it) {
    Watched stream;
    stream.take(text("a") + text("b ") + text(" ") + text(" "));
    BOOST_TEST(stream.splicer.transcript().text() == "ab  ");
    BOOST_TEST(stream.splicer.prefix(64) == "a");  // "b " is no end that every server keeps
    BOOST_TEST(stream.splicer.prefix(2) == "ab");  // too far back: the white space is cut off
    Watched blank;
    blank.take(text(" ") + text("\\n\\n") + text(" "));
    BOOST_TEST(blank.splicer.prefix(64) == "");
}

BOOST_AUTO_TEST_CASE(white_space_that_waited_is_thrown_away_by_a_break_and_said_again) {
    Watched stream;
    stream.take(role() + text("one") + text(" "));
    stream.begin(going_on());
    BOOST_TEST(stream.splicer.held_bytes() == 0u);
    BOOST_TEST(stream.splicer.prefix(64) == "one");
    BOOST_TEST(stream.take(text(" two")) == text(" two"));
    BOOST_TEST(stream.splicer.transcript().text() == "one two");
}

BOOST_AUTO_TEST_CASE(white_space_is_shown_before_the_finish) {
    Watched stream;
    stream.take(text("a"));
    BOOST_TEST(stream.take(text("\\n") + stop()) == text("\\n") + stop());
}

BOOST_AUTO_TEST_CASE(what_shows_nothing_waits_with_white_space_and_what_shows_something_ends_the_wait) {
    Watched stream;
    stream.take(text("a"));
    BOOST_TEST(stream.take(text(" ") + chunk("")) == "");
    BOOST_TEST(stream.take(reasoning("hm") + chunk("")) == text(" ") + chunk("") + reasoning("hm") + chunk(""));
    BOOST_TEST(stream.take(text("b")) == text("b"));
}

BOOST_AUTO_TEST_CASE(half_a_surrogate_pair_waits_for_the_other_half) {
    Watched stream;
    stream.take(text("a"));
    BOOST_TEST(stream.take(text("b\\ud83d")) == "");
    BOOST_TEST(stream.take(text("\\ude00")) == text("b\\ud83d") + text("\\ude00"));
    BOOST_TEST(stream.splicer.prefix(64) == "ab\\ud83d\\ude00");
}

BOOST_AUTO_TEST_CASE(events_of_no_output_are_shown_at_once_between_text) {
    Watched stream;
    stream.take(text("a"));
    BOOST_TEST(stream.take(chunk("")) == chunk(""));
    BOOST_TEST(stream.take(chunk(R"("content":"")")) == chunk(R"("content":"")"));
}

BOOST_AUTO_TEST_CASE(in_whole_mode_nothing_is_shown_before_the_end) {
    Watched stream(Endpoint::chat_completions, in_mode(ResumeMode::whole));
    const std::string begun = role() + reasoning("hm") + text("a ") + text("b");
    BOOST_TEST(stream.take(begun) == "");
    BOOST_TEST(stream.splicer.began());
    BOOST_TEST((stream.splicer.seen() == Seen::nothing));
    BOOST_TEST(!stream.splicer.continuable());
    BOOST_TEST(stream.take(stop()) == begun + stop());
    BOOST_TEST(stream.take(usage() + done) == usage() + done);
    Watched broken(Endpoint::chat_completions, in_mode(ResumeMode::whole));
    broken.take(begun);
    broken.begin();
    BOOST_TEST(broken.take(role(others) + text("x", others) + stop(others)) ==
               role(others) + text("x", others) + stop(others));
}

BOOST_AUTO_TEST_CASE(in_off_mode_output_is_shown_at_once_and_nothing_can_go_on) {
    Watched stream(Endpoint::chat_completions, in_mode(ResumeMode::off));
    BOOST_TEST(stream.take(role()) == "");
    BOOST_TEST(stream.take(text("a ")) == role() + text("a "));
    BOOST_TEST(stream.take(text("\\n")) == text("\\n"));
    BOOST_TEST(!stream.splicer.continuable());
    BOOST_TEST(stream.splicer.transcript().text() == "");
    BOOST_TEST((stream.splicer.seen() == Seen::text));
    BOOST_TEST(stream.take(stop()) == stop());
}

BOOST_AUTO_TEST_CASE(a_text_longer_than_the_transcript_can_not_be_gone_on_with) {
    SplicerSettings settings;
    settings.transcript = 5;
    Watched stream(Endpoint::chat_completions, settings);
    BOOST_TEST(stream.take(text("abc") + text("de")) == text("abc") + text("de"));
    BOOST_TEST(stream.splicer.continuable());
    BOOST_TEST(stream.take(text("f")) == text("f"));
    BOOST_TEST(!stream.splicer.continuable());
    BOOST_TEST(stream.splicer.transcript().text() == "");
    BOOST_TEST((stream.splicer.seen() == Seen::text));
    BOOST_TEST(stream.splicer.prefix(64) == "");
    BOOST_TEST(stream.take(text(" ") + text("g")) == text(" ") + text("g"));
    BOOST_TEST(stream.take(stop() + done) == stop() + done);
}

BOOST_AUTO_TEST_CASE(a_long_text_is_kept_in_one_piece_for_who_asks) {
    Watched stream;
    std::string all;
    for (int i = 0; i < 3000; ++i) {
        const std::string words = "w" + std::to_string(i) + std::string(static_cast<std::size_t>(i % 50), 'x');
        stream.take(text(words));
        all += words;
    }
    const std::string huge(200'000, 'y');
    stream.take(text(huge) + text("z"));
    BOOST_TEST((stream.said() == all + huge + "z"));
    BOOST_TEST((stream.splicer.prefix(64) == stream.said()));
    BOOST_TEST(stream.splicer.transcript().size() == stream.said().size());
    BOOST_TEST(stream.splicer.transcript_bytes() >= stream.said().size());
    BOOST_TEST(stream.splicer.transcript_bytes() < 2 * stream.said().size());
}

BOOST_AUTO_TEST_CASE(what_is_released_is_shown_and_nothing_is_kept_any_more) {
    Watched stream;
    stream.take(text("a") + text(" "));
    BOOST_TEST(stream.release() == text(" "));
    BOOST_TEST(!stream.splicer.continuable());
    BOOST_TEST((stream.splicer.seen() == Seen::text));
    BOOST_TEST(stream.take(text(" ") + text("b")) == text(" ") + text("b"));
    Watched whole(Endpoint::chat_completions, in_mode(ResumeMode::whole));
    whole.take(role() + text("a"));
    BOOST_TEST(whole.release() == role() + text("a"));
    BOOST_TEST(whole.take(text("b")) == text("b"));
}

BOOST_AUTO_TEST_CASE(tokens_are_counted_when_they_are_shown) {
    Watched stream;
    stream.take(role() + reasoning("x") + reasoning("y") + text("a") + text("b"));
    BOOST_TEST(stream.splicer.tokens() == 4u);
    stream.take(text(" "));
    BOOST_TEST(stream.splicer.tokens() == 4u);
    stream.begin(going_on());
    stream.take(text(" ") + text("c"));
    BOOST_TEST(stream.splicer.tokens() == 6u);
}

BOOST_AUTO_TEST_SUITE_END()
