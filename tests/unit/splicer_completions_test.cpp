// The splicer on legacy completions: as chat, with `text` in place of a delta.
#include <boost/test/unit_test.hpp>

#include "splicer_play.hpp"

using namespace streamkeeper;
using namespace streamkeeper::splicing;

namespace {

std::string said(std::string_view words, std::string_view finish = "null", const Names& names = {}) {
    return line_of("{\"id\":" + names.id + ",\"object\":\"text_completion\",\"created\":" + names.created +
                   ",\"model\":" + names.model + ",\"choices\":[{\"text\":\"" + std::string(words) +
                   "\",\"index\":0,\"logprobs\":null,\"finish_reason\":" + std::string(finish) + "}]}");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(splicer_completions)

BOOST_AUTO_TEST_CASE(a_healthy_stream_is_shown_as_it_came) {
    Watched stream(Endpoint::completions);
    const std::string all = said("a") + said("b") + said(" ") + said("c") + said("", "\"stop\"") + done;
    BOOST_TEST(stream.take(all) == all);
    BOOST_TEST(stream.splicer.transcript().text() == "ab c");
    BOOST_TEST(stream.splicer.terminal());
}

BOOST_AUTO_TEST_CASE(white_space_waits_and_is_said_again_after_a_break) {
    Watched stream(Endpoint::completions);
    BOOST_TEST(stream.take(said("one") + said(" ")) == said("one"));
    stream.begin(going_on());
    BOOST_TEST(stream.splicer.prefix(64) == "one");
    BOOST_TEST(stream.take(said(" two", "null", others) + said("", "\"length\"", others)) ==
               said(" two") + said("", "\"length\""));
    BOOST_TEST(stream.splicer.finish_reason() == "length");
}

BOOST_AUTO_TEST_CASE(the_last_words_may_come_with_the_finish) {
    Watched stream(Endpoint::completions);
    stream.take(said("a") + said("\\n"));
    BOOST_TEST(stream.take(said("b", "\"stop\"") + done) == said("\\n") + said("b", "\"stop\"") + done);
}

BOOST_AUTO_TEST_CASE(what_is_said_again_is_taken_off) {
    Watched stream(Endpoint::completions);
    stream.take(said("Hello") + said(" wor"));
    stream.begin(saying_again("Hello wor"));
    BOOST_TEST(stream.take(said("Hello world", "null", others) + said("!", "\"stop\"", others)) ==
               said("ld") + said("!", "\"stop\""));
    stream.begin(saying_again("Hello world"));
    stream.take(said("Hello", "\"stop\""));
    BOOST_TEST((stream.splicer.fault() == Fault::diverged));
}

BOOST_AUTO_TEST_CASE(an_end_without_a_finish_is_a_break) {
    Watched stream(Endpoint::completions);
    stream.take(said("a") + done);
    BOOST_TEST((stream.splicer.fault() == Fault::ended_early));
}

BOOST_AUTO_TEST_CASE(the_rest_of_a_replay_may_come_with_the_finish) {
    Watched stream(Endpoint::completions);
    stream.take(said("Hello"));
    stream.begin(saying_again("Hello"));
    BOOST_TEST(stream.take(said("Hel") + said("lo world", "\"stop\"") + done) == said(" world", "\"stop\"") + done);
    BOOST_TEST(stream.splicer.finished());
}

BOOST_AUTO_TEST_SUITE_END()
