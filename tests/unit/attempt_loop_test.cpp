#include "streamkeeper/attempt_loop.hpp"

#include <boost/test/unit_test.hpp>

#include "play.hpp"

using streamkeeper::play::Play;

BOOST_AUTO_TEST_SUITE(attempt_loop)

BOOST_AUTO_TEST_CASE(an_answer_that_went_well_ends_it) {
    Play play("one: k / m");
    BOOST_TEST(play.ask() == "one/k/m 200");
    BOOST_TEST(!play.ended);
}

BOOST_AUTO_TEST_CASE(a_429_is_waited_out_and_never_cut_short) {
    Play play("one: k / m");
    play.answers("one/k/m", {"429 wait=2", "200"});
    BOOST_TEST(play.ask() == "one/k/m 429 wait=2, wait rate_limit 2.0, one/k/m 200");
    play.chance = 0.999;
    play.answers("one/k/m", {"429 wait=2", "200"});
    BOOST_TEST(play.ask() == "one/k/m 429 wait=2, wait rate_limit 2.5, one/k/m 200");
}

BOOST_AUTO_TEST_CASE(a_503_is_tried_again_after_growing_pauses) {
    Play play("one: k / m");
    play.answers("one/k/m", {"503", "503", "503", "200"});
    BOOST_TEST(play.ask() ==
               "one/k/m 503, wait backoff 1.0, one/k/m 503, wait backoff 2.0, one/k/m 503, wait backoff 4.0, "
               "one/k/m 200");
}

BOOST_AUTO_TEST_CASE(a_single_target_gets_all_attempts) {
    Play play("one: k / m");
    play.answers("one/k/m", {"500"});
    const std::string told = play.ask();
    BOOST_TEST(play.calls.size() == 6u);
    BOOST_TEST(play.ended->status == 500);
    // Five failures in a row close the model for 30 s, of which the pause takes a part.
    BOOST_TEST(told.find("wait backoff 15.0, wait failing 15.0, one/k/m 500 -> 500") != told.npos);
}

BOOST_AUTO_TEST_CASE(a_bad_key_is_replaced_by_the_next_one_and_left_alone_from_then_on) {
    Play play("one: k1 k2 / m");
    play.answers("one/k1/m", {"401"});
    BOOST_TEST(play.ask() == "one/k1/m 401, one/k2/m 200");
    BOOST_TEST(play.ask() == "one/k2/m 200");
    play.pass(61);
    BOOST_TEST(play.ask() == "one/k1/m 401, one/k2/m 200");
    play.pass(61);
    BOOST_TEST(play.ask() == "one/k2/m 200");
    play.pass(60);
    BOOST_TEST(play.ask() == "one/k1/m 401, one/k2/m 200");
}

BOOST_AUTO_TEST_CASE(a_top_up_works_at_once) {
    Play play("one: k / m");
    play.answers("one/k/m", {"402 code=quota_exceeded", "402 code=quota_exceeded", "200"});
    BOOST_TEST(play.ask() == "one/k/m 402 code=quota_exceeded -> 402 quota_exceeded");
    BOOST_TEST(play.ask() == "one/k/m 402 code=quota_exceeded -> 402 quota_exceeded");
    BOOST_TEST(play.ask() == " -> 402 quota_exceeded");
    play.pass(61);
    BOOST_TEST(play.ask() == "one/k/m 200");
    BOOST_TEST(play.ask() == "one/k/m 200");
}

BOOST_AUTO_TEST_CASE(a_model_that_fails_is_left_for_the_next_one_in_the_chain) {
    Play play("one: k / m1 m2");
    play.answers("one/k/m1", {"503"});
    BOOST_TEST(play.ask() == "one/k/m1 503, wait backoff 1.0, one/k/m1 503, one/k/m2 200");
    BOOST_TEST(play.fallback == "overload");
}

BOOST_AUTO_TEST_CASE(while_one_model_is_limited_the_next_one_serves) {
    Play play("one: k / m1 m2");
    play.answers("one/k/m1", {"429 wait=100"});
    BOOST_TEST(play.ask() == "one/k/m1 429 wait=100, one/k/m2 200");
    BOOST_TEST(play.ask() == "one/k/m2 200");
    BOOST_TEST(play.fallback == "rate_limit");
}

BOOST_AUTO_TEST_CASE(a_wait_beyond_the_deadline_is_refused_at_once) {
    Play play("one: k / m");
    play.answers("one/k/m", {"429 wait=86400 code=rate_limit_exceeded"});
    BOOST_TEST(play.ask() ==
               "one/k/m 429 wait=86400 code=rate_limit_exceeded -> 429 rate_limit_exceeded retry-after=60");
    BOOST_TEST(play.ask() == " -> 429 rate_limited retry-after=60");
    BOOST_TEST(play.now() == 0);
}

BOOST_AUTO_TEST_CASE(a_stale_pooled_connection_is_replaced_once_and_free) {
    Play play("one: k / m");
    play.answers("one/k/m", {"cut", "200"});
    BOOST_TEST(play.ask() == "one/k/m cut, one/k/m 200 fresh");
}

BOOST_AUTO_TEST_CASE(a_misspelt_model_is_corrected_and_the_correction_is_remembered) {
    Play play("one: k / gpt4o");
    play.listed = {"gpt-4o", "gpt-4.1"};
    play.answers("one/k/gpt4o", {"404 model"});
    BOOST_TEST(play.ask() == "one/k/gpt4o 404 model, list, one/k/gpt-4o 200");
    BOOST_TEST(play.traffic("one").corrected.at("gpt4o") == "gpt-4o");
}

BOOST_AUTO_TEST_CASE(an_unknown_model_fails_with_the_nearest_names) {
    Play play("one: k / gpt-5o");
    play.listed = {"gpt-4o", "claude", "gpt-5", "o3"};
    play.answers("one/k/gpt-5o", {"404 model"});
    BOOST_TEST(play.ask() == "one/k/gpt-5o 404 model, list -> 404 model_not_found");
    BOOST_TEST(play.ended->hint == "Did you mean gpt-4o, gpt-5 or o3?");
}

BOOST_AUTO_TEST_CASE(an_option_of_ours_that_is_refused_is_left_out) {
    Play play("one: k / m");
    play.answers("one/k/m", {"400 usage", "200"});
    BOOST_TEST(play.ask() == "one/k/m 400 usage, one/k/m 200 without usage");
}

BOOST_AUTO_TEST_CASE(a_context_that_is_too_small_moves_only_to_a_larger_one) {
    Play play("one: k / m small big");
    play.windows = {{"m", 8000}, {"small", 4000}, {"big", 100000}};
    play.answers("one/k/m", {"400 context"});
    BOOST_TEST(play.ask() == "one/k/m 400 context, one/k/big 200");
    play.windows["big"] = 8000;
    BOOST_TEST(play.ask() == "one/k/m 400 context -> 400 context_length_exceeded");
}

BOOST_AUTO_TEST_CASE(what_another_upstream_does_not_share_moves_on_to_it) {
    Play play("one: k / m1 m2; two: k / m3");
    play.answers("one/k/m1", {"200 html"});
    BOOST_TEST(play.ask() == "one/k/m1 200 html, two/k/m3 200");
    play.answers("one/k/m1", {"certificate"});
    BOOST_TEST(play.ask() == "one/k/m1 certificate, two/k/m3 200");
    play.answers("one/k/m1", {"400"});
    BOOST_TEST(play.ask() == "one/k/m1 400 -> 400");
}

BOOST_AUTO_TEST_CASE(nothing_is_retried_once_the_client_has_seen_output) {
    Play play("one: k / m m2");
    play.answers("one/k/m", {"200 broken"});
    BOOST_TEST(play.ask() == "one/k/m 200 broken -> 502 upstream_closed");
}

BOOST_AUTO_TEST_SUITE_END()
