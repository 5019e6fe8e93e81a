// The splicer on Responses: ids and numbers of later attempts, openings and ends told once, native joins
// (resumption.md, "Dialects").
#include <boost/test/unit_test.hpp>

#include "splicer_play.hpp"

using namespace streamkeeper;
using namespace streamkeeper::splicing;

namespace {

/// Calls that count on have an order only in braces.
std::string all(std::initializer_list<std::string> events) {
    std::string text;
    for (const std::string& event : events) text += event;
    return text;
}

/// One answer's ids and the number of its next event.
struct Teller {
    std::string response = "resp_1", item = "msg_1", created = "7";
    int number = 0;

    std::string event(std::string_view type, std::string_view more) {
        return named(type, "{\"type\":\"" + std::string(type) + "\",\"sequence_number\":" + std::to_string(number++) +
                               "," + std::string(more) + "}");
    }
    std::string whole(std::string_view type, std::string_view more = "") {
        return event(type,
                     "\"response\":{\"id\":\"" + response + "\",\"created_at\":" + created + std::string(more) + "}");
    }
    std::string start() { return all({whole("response.created"), whole("response.in_progress")}); }
    std::string place() const { return "\"output_index\":0,\"content_index\":0,\"item_id\":\"" + item + "\""; }
    std::string begun() {
        return all(
            {event("response.output_item.added",
                   "\"output_index\":0,\"item\":{\"id\":\"" + item + "\",\"type\":\"message\"}"),
             event("response.content_part.added", place() + ",\"part\":{\"type\":\"output_text\",\"text\":\"\"}")});
    }
    std::string say(std::string_view words) {
        return event("response.output_text.delta", place() + ",\"delta\":\"" + std::string(words) + "\"");
    }
    std::string ends(std::string_view text) {
        return all({event("response.output_text.done", place() + ",\"text\":\"" + std::string(text) + "\""),
                    event("response.content_part.done",
                          place() + ",\"part\":{\"type\":\"output_text\",\"text\":\"" + std::string(text) + "\"}"),
                    event("response.output_item.done",
                          "\"output_index\":0,\"item\":{\"id\":\"" + item + "\",\"type\":\"message\"}")});
    }
    std::string completed() { return whole("response.completed", ",\"usage\":{\"total_tokens\":5}"); }
};

Teller second() {
    Teller other;
    other.response = "resp_2";
    other.item = "msg_2";
    other.created = "9";
    return other;
}

Join native() {
    Join join;
    join.native = true;
    return join;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(splicer_responses)

BOOST_AUTO_TEST_CASE(a_healthy_stream_is_shown_as_it_came) {
    Teller one;
    Watched stream(Endpoint::responses);
    const std::string opening = all({one.start(), one.begun()});
    BOOST_TEST(stream.take(opening) == "");
    const std::string first = one.say("Hello");
    BOOST_TEST(stream.take(first) == opening + first);
    BOOST_TEST(stream.splicer.last_sequence() == 4);
    BOOST_TEST(stream.splicer.names() == "\"sequence_number\":4");
    BOOST_TEST(stream.splicer.response_id() == "resp_1");
    const std::string rest =
        all({one.say(" "), one.say("\\n"), one.say("world"), one.ends("Hello \\nworld"), one.completed()});
    BOOST_TEST(stream.take(rest) == rest);  // no prefix is ever sent, so white space need not wait
    BOOST_TEST(stream.splicer.finished());
    BOOST_TEST(stream.splicer.terminal());
    BOOST_TEST(stream.take(done + rest) == "");
}

BOOST_AUTO_TEST_CASE(a_replay_is_told_under_the_first_ids_and_numbered_on) {
    Teller one, two = second();
    Watched stream(Endpoint::responses);
    stream.take(all({one.start(), one.begun(), one.say("Hel"), one.say("lo wor")}));
    stream.begin(saying_again("Hello wor"));
    BOOST_TEST(stream.take(all({two.start(), two.begun(), two.say("Hello ")})) == "");
    BOOST_TEST(stream.take(two.say("world")) == one.say("ld"));
    BOOST_TEST(stream.splicer.transcript().text() == "Hello world");
    two.created = "7";
    BOOST_TEST(stream.take(two.say("!")) == one.say("!"));
    two.created = "9";
    BOOST_TEST(stream.take(all({two.ends("Hello world!"), two.completed()})) ==
               all({one.ends("Hello world!"), one.completed()}));
    BOOST_TEST(stream.splicer.terminal());
}

BOOST_AUTO_TEST_CASE(a_third_attempt_is_numbered_on_behind_the_second) {
    Teller one, two = second(), three = second();
    three.item = "msg_3";
    three.response = "resp_3";
    Watched stream(Endpoint::responses);
    stream.take(all({one.start(), one.begun(), one.say("a")}));
    stream.begin(saying_again("a"));
    BOOST_TEST(stream.take(all({two.start(), two.begun(), two.say("ab")})) == one.say("b"));
    stream.begin(saying_again("ab"));
    BOOST_TEST(stream.take(all({three.start(), three.begun(), three.say("ab"), three.say("c")})) == one.say("c"));
}

BOOST_AUTO_TEST_CASE(another_text_has_diverged) {
    Teller one, two = second();
    const std::string shown = all({one.start(), one.begun(), one.say("Hello")});
    const std::string opening = all({two.start(), two.begun()});
    for (const std::string& other : {two.say("Hallo"), all({two.say("Hel"), two.completed()}),
                                     two.event("response.refusal.delta", two.place() + ",\"delta\":\"No\"")}) {
        Watched stream(Endpoint::responses);
        stream.take(shown);
        stream.begin(saying_again("Hello"));
        BOOST_TEST(stream.take(opening + other) == "");
        BOOST_TEST((stream.splicer.fault() == Fault::diverged));
        BOOST_TEST(!stream.splicer.finished());
        BOOST_TEST(!stream.splicer.terminal());
    }
}

BOOST_AUTO_TEST_CASE(a_failed_response_is_a_break_and_an_incomplete_one_an_end) {
    Teller one;
    Watched failed(Endpoint::responses);
    const std::string shown = all({one.start(), one.begun(), one.say("a")});
    failed.take(shown);
    Teller again = one;
    BOOST_TEST(failed.take(again.whole("response.failed", ",\"error\":{\"code\":\"server_error\"}")) == "");
    BOOST_TEST((failed.splicer.fault() == Fault::error));
    Watched incomplete(Endpoint::responses);
    incomplete.take(shown);
    const std::string end =
        one.whole("response.incomplete", ",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}");
    BOOST_TEST(incomplete.take(end) == end);
    BOOST_TEST(incomplete.splicer.finish_reason() == "max_output_tokens");
    Watched early(Endpoint::responses);
    early.take(shown + done);
    BOOST_TEST(!early.splicer.finished());
}

BOOST_AUTO_TEST_CASE(a_call_is_held_until_the_end) {
    Teller one;
    Watched stream(Endpoint::responses);
    const std::string text = all({one.start(), one.begun(), one.say("a")});
    BOOST_TEST(stream.take(text) == text);
    const std::string call = all(
        {one.event("response.output_item.added",
                   R"("output_index":1,"item":{"id":"fc_1","type":"function_call","name":"run"})"),
         one.event("response.function_call_arguments.delta", R"("output_index":1,"item_id":"fc_1","delta":"{}")"),
         one.event("response.function_call_arguments.done", R"("output_index":1,"item_id":"fc_1","arguments":"{}")"),
         one.event("response.output_item.done", R"("output_index":1,"item":{"id":"fc_1","type":"function_call"})")});
    BOOST_TEST(stream.take(call) == "");
    BOOST_TEST((stream.splicer.seen() == Seen::text));
    const std::string end = one.completed();
    BOOST_TEST(stream.take(end) == call + end);
}

BOOST_AUTO_TEST_CASE(reasoning_of_a_later_attempt_is_not_shown_again) {
    Teller one, two = second();
    const auto reason = [](Teller& who) {
        return all(
            {who.event("response.output_item.added",
                       "\"output_index\":0,\"item\":{\"id\":\"rs_" + who.item + "\",\"type\":\"reasoning\"}"),
             who.event("response.reasoning_summary_text.delta", R"("output_index":0,"summary_index":0,"delta":"hm")")});
    };
    Watched stream(Endpoint::responses);
    const std::string shown = all({one.start(), reason(one)});
    BOOST_TEST(stream.take(shown) == shown);
    BOOST_TEST((stream.splicer.seen() == Seen::reasoning));
    stream.begin();
    BOOST_TEST(stream.take(all({two.start(), reason(two)})) == "");
    const std::string said = two.event("response.output_text.delta", R"("output_index":1,"item_id":"m","delta":"x")");
    BOOST_TEST(stream.take(said) ==
               one.event("response.output_text.delta", R"("output_index":1,"item_id":"m","delta":"x")"));
}

BOOST_AUTO_TEST_CASE(a_native_join_drops_what_was_shown_and_changes_nothing_else) {
    Teller one;
    Watched stream(Endpoint::responses);
    stream.take(all({one.start(), one.begun(), one.say("a")}));
    BOOST_TEST(stream.splicer.last_sequence() == 4);
    stream.begin(native());
    Teller again;  // the same answer; some servers begin it anew
    BOOST_TEST(stream.take(all({again.start(), again.begun(), again.say("a")})) == "");
    const std::string rest = all({again.say("b"), again.ends("ab"), again.completed()});
    BOOST_TEST(stream.take(rest) == rest);
    BOOST_TEST(stream.splicer.transcript().text() == "ab");
    BOOST_TEST(stream.splicer.terminal());
}

BOOST_AUTO_TEST_CASE(numbers_of_held_events_are_not_shown_ones) {
    Teller one;
    Watched stream(Endpoint::responses);
    stream.take(all({one.start(), one.begun(), one.say("a")}));
    stream.take(
        one.event("response.output_item.added", R"("output_index":1,"item":{"id":"fc_1","type":"function_call"})"));
    BOOST_TEST(stream.splicer.last_sequence() == 4);
    BOOST_TEST(stream.splicer.names() == "\"sequence_number\":4");
}

BOOST_AUTO_TEST_CASE(an_opening_of_a_later_attempt_is_told_if_none_was) {
    Teller one, two = second();
    Watched stream(Endpoint::responses);
    stream.take(all({one.start(), one.begun()}));
    stream.begin();
    const std::string told = all({two.start(), two.begun(), two.say("x")});
    BOOST_TEST(stream.take(told) == told);
    BOOST_TEST(stream.splicer.response_id() == "resp_2");
}

BOOST_AUTO_TEST_CASE(padding_and_numbers_vary_from_event_to_event) {
    Teller one;
    Watched stream(Endpoint::responses);
    std::string told = all({one.start(), one.begun()});
    for (const char* padding : {"xYz", "", "qqqqqq", "a"}) {
        told += one.event("response.output_text.delta",
                          one.place() + ",\"delta\":\"w\",\"obfuscation\":\"" + padding + "\"");
        one.number += 95;
    }
    BOOST_TEST(stream.take(told) == told);
    BOOST_TEST(stream.splicer.transcript().text() == "wwww");
    BOOST_TEST(stream.splicer.last_sequence() == one.number - 96);
}

BOOST_AUTO_TEST_SUITE_END()
