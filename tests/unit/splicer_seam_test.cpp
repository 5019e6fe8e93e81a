// How an attempt joins what was shown: prefix, replay, doubtful seams, and what ends it (resumption.md, "Break to
// strategy" and "Seam check"; chat).
#include <boost/test/unit_test.hpp>

#include "splicer_play.hpp"

using namespace streamkeeper;
using namespace streamkeeper::splicing;

namespace {

Join doubted() {
    Join join = going_on();
    join.doubtful = true;
    return join;
}

/// These events came, and the stream broke.
struct Broken : Watched {
    explicit Broken(const std::string& events, const Join& join) {
        take(events);
        begin(join);
        shown.clear();
    }
    bool failed(Fault fault) const { return splicer.fault() == fault && !splicer.finished() && !splicer.terminal(); }
};

const std::string hello = role() + text("Hello") + text(" wor");

}  // namespace

BOOST_AUTO_TEST_SUITE(splicer_seam)

// ---- a continuation

BOOST_AUTO_TEST_CASE(a_continuation_is_told_under_the_first_names_without_role) {
    Broken stream(hello, going_on());
    BOOST_TEST(stream.take(role(others)) == "");
    BOOST_TEST(!stream.splicer.joined());
    BOOST_TEST(stream.take(text("ld", others)) == text("ld"));
    BOOST_TEST(stream.splicer.joined());
    BOOST_TEST(stream.splicer.transcript().text() == "Hello world");
    BOOST_TEST(stream.take(text("!", others)) == text("!"));
    BOOST_TEST(stream.take(stop(others) + usage("{\"total_tokens\":9}", others) + done) ==
               stop() + usage("{\"total_tokens\":9}") + done);
    BOOST_TEST(stream.splicer.finished());
}

BOOST_AUTO_TEST_CASE(what_a_broken_attempt_said_of_its_end_is_forgotten) {
    Broken stream(hello, going_on());
    stream.take(text("ld") + "data: [DONE]\n\n");
    BOOST_TEST(stream.failed(Fault::ended_early));
    stream.begin(going_on());
    BOOST_TEST((stream.splicer.fault() == Fault::none));
    BOOST_TEST(!stream.splicer.began());
    BOOST_TEST(!stream.splicer.joined());
    BOOST_TEST(stream.take(stop()) == stop());
    BOOST_TEST(stream.splicer.finish_reason() == "stop");
}

BOOST_AUTO_TEST_CASE(names_stay_over_three_attempts) {
    Broken stream(hello, going_on());
    stream.take(text("l", others));
    stream.begin(going_on());
    BOOST_TEST(stream.take(text("d", {"\"c3\"", "3", "\"m\""})) == text("d"));
    BOOST_TEST(stream.splicer.names() == R"("id":"c1","created":1,"model":"m")");
}

BOOST_AUTO_TEST_CASE(another_model_may_not_go_on) {
    Broken stream(hello, going_on());
    BOOST_TEST(stream.take(text("ld", {"\"c2\"", "2", "\"m-small\""})) == "");
    BOOST_TEST(stream.failed(Fault::other_model));
    Broken at_the_end(hello, going_on());
    BOOST_TEST(at_the_end.take(stop({"\"c2\"", "2", "\"m-small\""})) == "");
    BOOST_TEST(at_the_end.failed(Fault::other_model));
    Broken unnamed(hello, going_on());
    BOOST_TEST(unnamed.take(text("ld", {"\"\"", "0", "\"\""})) == text("ld"));
}

BOOST_AUTO_TEST_CASE(reasoning_of_a_later_attempt_is_not_shown) {
    Broken stream(hello, going_on());
    BOOST_TEST(stream.take(reasoning("hm") + reasoning("hm")) == "");
    BOOST_TEST(stream.take(chunk(R"("content":"ld","reasoning":"so")")) == chunk(R"("content":"ld")"));
    BOOST_TEST(stream.take(reasoning("hm") + stop()) == stop());
    Broken anew(role() + reasoning("a"), Join());
    BOOST_TEST((anew.splicer.seen() == Seen::reasoning));
    BOOST_TEST(anew.take(role(others) + reasoning("b", others)) == "");
    BOOST_TEST(anew.take(text("x", others) + stop(others)) == text("x") + stop());
    Broken details(role() + chunk(R"("reasoning_details":[{"type":"reasoning.text"}])"), Join());
    BOOST_TEST((details.splicer.seen() == Seen::reasoning));
    BOOST_TEST(details.take(chunk(R"("reasoning_details":[{"type":"reasoning.text"}])") + text("x")) == text("x"));
}

BOOST_AUTO_TEST_CASE(a_stream_that_broke_before_any_output_begins_anew_under_new_names) {
    Watched stream;
    stream.take(role() + chunk(""));
    stream.begin();
    BOOST_TEST(stream.take(role(others) + text("a", others)) == role(others) + text("a", others));
    BOOST_TEST(stream.splicer.names() == R"("id":"c2","created":2,"model":"m")");
}

// ---- the same again

BOOST_AUTO_TEST_CASE(what_is_said_again_is_not_shown_again) {
    Broken stream(hello, saying_again("Hello wor"));
    BOOST_TEST(stream.take(role(others) + text("Hello", others) + text(" wor", others)) == "");
    BOOST_TEST(stream.splicer.began());
    BOOST_TEST(!stream.splicer.joined());
    BOOST_TEST(stream.take(text("ld", others) + stop(others)) == text("ld") + stop());
    BOOST_TEST(stream.splicer.transcript().text() ==
               "Hello wor"
               "ld");
}

BOOST_AUTO_TEST_CASE(where_it_ends_inside_an_event_the_rest_of_the_event_is_shown) {
    Broken stream(hello, saying_again("Hello wor"));
    BOOST_TEST(stream.take(text("Hello world!", others)) == text("ld!"));
    BOOST_TEST(stream.take(text("ld!", others)) == text("ld!"));  // and no event after it is shortened
    Broken with_logprobs(hello, saying_again("Hello wor"));
    const std::string more = ",\"system_fingerprint\":\"f\"";
    BOOST_TEST(with_logprobs.take(chunk(R"("content":"Hello world")", "null", others, more)) ==
               chunk(R"("content":"ld")", "null", {}, more));
}

BOOST_AUTO_TEST_CASE(spellings_of_the_same_text_are_the_same) {
    Broken stream(text("a\\n\\u00e9\\ud83d\\ude00/"), saying_again("a\\n\\u00e9\\ud83d\\ude00/"));
    BOOST_TEST(stream.take(text("\\u0061\\u000a\xC3\xA9\xF0\x9F\x98\x80\\/b")) == text("b"));
    Broken plain(text("\xF0\x9F\x98\x80"), saying_again("\xF0\x9F\x98\x80"));
    BOOST_TEST(plain.take(text("\\ud83d")) == "");
    BOOST_TEST(plain.take(text("\\ude00\\u0062")) == text("\\u0062"));
}

BOOST_AUTO_TEST_CASE(anything_else_has_diverged) {
    for (const std::string& said : {text("Hallo"), text("Hello wo"), text("Hello wxrld")}) {
        Broken stream(hello, saying_again("Hello wor"));
        BOOST_TEST(stream.take(said + (said == text("Hello wo") ? text("x") : "")) == "");
        BOOST_TEST(stream.failed(Fault::diverged));
    }
    Broken call(hello, saying_again("Hello wor"));
    BOOST_TEST(call.take(piece(R"({"index":0,"id":"t","function":{"name":"f","arguments":""}})")) == "");
    BOOST_TEST(call.failed(Fault::diverged));
    Broken refusal(hello, saying_again("Hello wor"));
    BOOST_TEST(refusal.take(chunk(R"("refusal":"No")")) == "");
    BOOST_TEST(refusal.failed(Fault::diverged));
}

BOOST_AUTO_TEST_CASE(an_answer_that_ends_before_all_was_said_again_has_diverged_and_is_not_finished) {
    Broken stream(hello, saying_again("Hello wor"));
    BOOST_TEST(stream.take(text("Hello") + stop() + done) == "");
    BOOST_TEST(stream.failed(Fault::diverged));
    Broken in_one(hello, saying_again("Hello wor"));
    BOOST_TEST(in_one.take(chunk(R"("content":"Hello")", "\"stop\"")) == "");
    BOOST_TEST(in_one.failed(Fault::diverged));
}

BOOST_AUTO_TEST_CASE(reasoning_before_what_is_said_again_is_not_shown) {
    Broken stream(hello, saying_again("Hello wor"));
    BOOST_TEST(stream.take(role(others) + reasoning("hm") + text("Hello wor", others) + text("ld", others)) ==
               text("ld"));
}

BOOST_AUTO_TEST_CASE(an_echo_is_taken_off_and_nothing_else) {
    Broken stream(hello, going_on("Hello wor"));
    BOOST_TEST(stream.take(text("Hello wor") + text("wor") + text("ld")) == text("wor") + text("ld"));
    BOOST_TEST(stream.splicer.transcript().text() == "Hello worworld");
}

BOOST_AUTO_TEST_CASE(an_overlap_is_never_guessed) {
    Broken stream(text("repeat repeat"), going_on());
    BOOST_TEST(stream.take(text(" repeat repeat")) == text(" repeat repeat"));
    Broken long_one(text("one two three four"), going_on());
    BOOST_TEST(long_one.take(text("three four")) == text("three four"));
    BOOST_TEST(long_one.splicer.transcript().text() == "one two three fourthree four");
}

// ---- a seam in doubt

BOOST_AUTO_TEST_CASE(the_first_words_of_a_doubtful_seam_wait_until_there_are_enough) {
    Broken stream(role() + text("The capital of France is"), doubted());
    const std::string first = text(" Paris, and that of Germany is"), second = text(std::string(96, 'x'));
    BOOST_TEST(stream.take(role(others)) == "");
    BOOST_TEST(stream.take(first) == "");
    BOOST_TEST(stream.splicer.doubting());
    BOOST_TEST(stream.take(second) == first + second);
    BOOST_TEST(!stream.splicer.doubting());
    BOOST_TEST(stream.take(text("!")) == text("!"));
}

BOOST_AUTO_TEST_CASE(a_doubtful_seam_is_judged_by_time_and_by_the_finish) {
    Broken in_time(text("The capital of France is"), doubted());
    BOOST_TEST(in_time.take(text(" Paris")) == "");
    BOOST_TEST(in_time.judge() == text(" Paris"));
    BOOST_TEST(in_time.splicer.transcript().text() == "The capital of France is Paris");
    BOOST_TEST(in_time.take(text(".") + stop()) == text(".") + stop());
    Broken finished(text("The capital of France is"), doubted());
    BOOST_TEST(finished.take(text(" Paris.") + stop() + done) == text(" Paris.") + stop() + done);
}

BOOST_AUTO_TEST_CASE(an_answer_that_begins_anew_is_refused_whenever_it_is_judged) {
    const std::string shown = text("The capital of France is"), again = text("The capital of France is **Paris**");
    Broken by_size(shown, doubted());
    BOOST_TEST(by_size.take(again + text(std::string(96, 'x'))) == "");
    BOOST_TEST(by_size.failed(Fault::anew));
    Broken by_time(shown, doubted());
    BOOST_TEST(by_time.take(again) == "");
    BOOST_TEST(by_time.judge() == "");
    BOOST_TEST(by_time.failed(Fault::anew));
    Broken by_finish(shown, doubted());
    BOOST_TEST(by_finish.take(again + stop()) == "");
    BOOST_TEST(by_finish.failed(Fault::anew));
    Broken by_call(shown, doubted());
    BOOST_TEST(by_call.take(again + piece(R"({"index":0,"id":"t","function":{"name":"f","arguments":"{}"}})") +
                            chunk("", "\"tool_calls\"")) == "");
    BOOST_TEST(by_call.failed(Fault::anew));
    BOOST_TEST(by_call.shown == "");
}

BOOST_AUTO_TEST_CASE(a_call_behind_a_doubtful_seam_is_shown_with_it) {
    Broken stream(text("I look it up:"), doubted());
    const std::string call = piece(R"({"index":0,"id":"t","function":{"name":"f","arguments":"{}"}})");
    BOOST_TEST(stream.take(text(" now") + call) == "");
    BOOST_TEST(stream.judge() == "");
    BOOST_TEST(stream.take(chunk("", "\"tool_calls\"")) == text(" now") + call + chunk("", "\"tool_calls\""));
}

BOOST_AUTO_TEST_CASE(a_doubtful_seam_that_breaks_again_leaves_what_was_shown) {
    Broken stream(role() + text("The capital of France is"), doubted());
    stream.take(text(" Par"));
    stream.begin(going_on());
    BOOST_TEST(stream.splicer.transcript().text() == "The capital of France is");
    BOOST_TEST(stream.take(text(" Paris")) == text(" Paris"));
}

BOOST_AUTO_TEST_SUITE_END()
