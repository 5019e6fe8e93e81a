// What counts as an attempt, how many there are, and what bounds them (contract, section 2 "Retry").
#include "streamkeeper/attempt_loop.hpp"

#include <boost/test/unit_test.hpp>

#include "play.hpp"

using namespace std::chrono_literals;
using streamkeeper::play::Play;

BOOST_AUTO_TEST_SUITE(attempt_loop)

BOOST_AUTO_TEST_CASE(an_answer_that_went_well_ends_it) {
    Play play("one: k / m");
    BOOST_TEST(play.ask() == "one/k/m 200");
    BOOST_TEST(!play.ended);
}

BOOST_AUTO_TEST_CASE(a_503_is_tried_again_after_growing_pauses) {
    Play play("one: k / m");
    play.answers("one/k/m", {"503", "503", "503", "200"});
    BOOST_TEST(play.ask() ==
               "one/k/m 503, wait backoff 1.0, one/k/m 503, wait backoff 2.0, one/k/m 503, wait backoff 4.0, "
               "one/k/m 200");
}

// ---- how many

BOOST_AUTO_TEST_CASE(a_single_target_gets_all_attempts) {
    Play play("one: k / m");
    play.answers("one/k/m", {"500"});
    const std::string told = play.ask();
    BOOST_TEST(play.calls.size() == 6u);
    BOOST_TEST(play.ended->status == 500);
    // Five failures in a row close the model for 30 s, of which the pause takes a part.
    BOOST_TEST(told.find("wait backoff 15.0, wait failing 15.0, one/k/m 500 -> 500") != told.npos);
}

BOOST_AUTO_TEST_CASE(a_wait_costs_no_attempt) {
    Play play("one: k / m");
    play.retry.attempts = 2;
    play.answers("one/k/m", {"429 wait=1", "409", "429 wait=1", "429 wait=1", "409"});
    BOOST_TEST(play.ask() ==
               "one/k/m 429 wait=1, wait rate_limit 1.0, one/k/m 409, wait backoff 1.0, one/k/m 429 wait=1, "
               "wait rate_limit 2.0, one/k/m 429 wait=1, wait rate_limit 4.0, one/k/m 409 -> 409");
}

BOOST_AUTO_TEST_CASE(a_refused_key_costs_an_attempt) {
    Play play("one: k1 k2 k3 / m");
    play.retry.attempts = 2;
    play.answers("one/k1/m", {"401"});
    play.answers("one/k2/m", {"401"});
    BOOST_TEST(play.ask() == "one/k1/m 401, one/k2/m 401 -> 401");
}

BOOST_AUTO_TEST_CASE(a_target_gets_per_target_attempts_while_another_one_is_left) {
    Play play("one: k / m1 m2");
    play.answers("one/k/m1", {"500"});
    BOOST_TEST(play.ask() ==
               "one/k/m1 500, wait backoff 1.0, one/k/m1 500, wait backoff 2.0, one/k/m1 500, wait backoff 4.0, "
               "one/k/m1 500, one/k/m2 200");
    play.pass(1000);
    play.retry.per_target = 1;
    BOOST_TEST(play.ask() == "one/k/m1 500, one/k/m2 200");
}

BOOST_AUTO_TEST_CASE(the_last_target_gets_all_attempts_that_are_left) {
    Play play("one: k / m1 m2");
    play.retry.per_target = 1;
    play.retry.attempts = 4;
    play.answers("one/k/m1", {"409"});
    play.answers("one/k/m2", {"409"});
    BOOST_TEST(play.ask() ==
               "one/k/m1 409, one/k/m2 409, wait backoff 2.0, one/k/m2 409, wait backoff 4.0, one/k/m2 409 -> 409");
}

BOOST_AUTO_TEST_CASE(the_loop_moves_on_as_soon_as_attempts_left_equal_untried_targets_left) {
    Play play("one: k / m1 m2 m3");
    for (const char* model : {"one/k/m1", "one/k/m2", "one/k/m3"}) play.answers(model, {"409"});
    play.retry.attempts = 3;
    BOOST_TEST(play.ask() == "one/k/m1 409, one/k/m2 409, one/k/m3 409 -> 409");
    play.retry.attempts = 4;
    BOOST_TEST(play.ask() == "one/k/m1 409, wait backoff 1.0, one/k/m1 409, one/k/m2 409, one/k/m3 409 -> 409");
}

BOOST_AUTO_TEST_CASE(the_keys_of_one_model_are_targets_of_their_own) {
    Play play("one: k1 k2 / m");
    play.retry.per_target = 2;
    play.answers("one/k1/m", {"409"});
    BOOST_TEST(play.ask() == "one/k1/m 409, wait backoff 1.0, one/k1/m 409, one/k2/m 200");
}

BOOST_AUTO_TEST_CASE(the_caps_of_single_reasons_apply_while_another_target_is_left) {
    for (const std::string failure : {"503", "529", "timeout", "504", "408", "dns"}) {
        Play two("one: k / m1 m2");
        two.answers("one/k/m1", {failure});
        BOOST_TEST(two.ask() == "one/k/m1 " + failure + ", wait backoff 1.0, one/k/m1 " + failure + ", one/k/m2 200");
        Play alone("one: k / m1");
        alone.answers("one/k/m1", {failure});
        alone.ask();
        BOOST_TEST(alone.calls.size() == 6u, failure);
    }
}

BOOST_AUTO_TEST_CASE(a_target_given_up_for_another_one_is_tried_again_when_that_one_is_out) {
    Play play("one: k / m1; two: k / m2");
    play.answers("one/k/m1", {"503", "503", "200"});
    play.answers("two/k/m2", {"401"});
    BOOST_TEST(play.ask() ==
               "one/k/m1 503, wait backoff 1.0, one/k/m1 503, two/k/m2 401, wait backoff 4.0, one/k/m1 200");
}

BOOST_AUTO_TEST_CASE(what_was_given_up_is_not_tried_again_before_its_own_hint) {
    Play play("one: k / m1; two: k / m2");
    play.retry.per_target = 1;
    play.answers("one/k/m1", {"500 wait=50", "200"});
    play.answers("two/k/m2", {"401"});
    BOOST_TEST(play.ask() == "one/k/m1 500 wait=50, two/k/m2 401, wait backoff 50.0, one/k/m1 200");
}

BOOST_AUTO_TEST_CASE(what_was_given_up_is_better_than_a_wait_beyond_the_deadline) {
    Play play("one: k / m1; two: k / m2");
    play.answers("one/k/m1", {"503", "503", "200"});
    play.answers("two/k/m2", {"429 wait=1000"});
    BOOST_TEST(play.ask() ==
               "one/k/m1 503, wait backoff 1.0, one/k/m1 503, two/k/m2 429 wait=1000, wait backoff 2.0, one/k/m1 200");
}

// ---- pauses

BOOST_AUTO_TEST_CASE(pauses_double_up_to_the_cap_and_are_cut_by_half_at_most) {
    Play play("one: k / m");
    play.retry.attempts = 8;
    play.deadline = 10'000;
    play.answers("one/k/m", {"409"});
    play.ask();
    BOOST_TEST(play.call_times() == "0.0 1.0 3.0 7.0 15.0 30.0 45.0 60.0");
    play.calls.clear();
    play.chance = 0.999;
    const double before = play.now();
    play.ask();
    std::string gaps;
    for (std::size_t i = 1; i < play.calls.size(); ++i)
        gaps += streamkeeper::play::shown(play.calls[i].at - play.calls[i - 1].at) + " ";
    BOOST_TEST(gaps == "2.0 4.0 8.0 16.0 30.0 30.0 30.0 ");
    BOOST_TEST(play.calls.front().at == before);
}

BOOST_AUTO_TEST_CASE(base_and_cap_are_the_configured_ones) {
    Play play("one: k / m");
    play.retry.base = 100ms;
    play.retry.cap = 1s;
    play.chance = 0.999;
    play.answers("one/k/m", {"409"});
    BOOST_TEST(play.ask() ==
               "one/k/m 409, wait backoff 0.2, one/k/m 409, wait backoff 0.4, one/k/m 409, wait backoff 0.8, "
               "one/k/m 409, wait backoff 1.0, one/k/m 409, wait backoff 1.0, one/k/m 409 -> 409");
}

BOOST_AUTO_TEST_CASE(a_hint_is_a_floor_and_never_the_whole_wait) {
    Play play("one: k / m");
    play.answers("one/k/m", {"500 wait=40", "200"});
    BOOST_TEST(play.ask() == "one/k/m 500 wait=40, wait backoff 40.0, one/k/m 200");
    play.chance = 0.999;
    play.answers("one/k/m", {"500 wait=40", "200"});
    BOOST_TEST(play.ask() == "one/k/m 500 wait=40, wait backoff 50.0, one/k/m 200");
    play.answers("one/k/m", {"500 wait=0.1", "200"});
    BOOST_TEST(play.ask() == "one/k/m 500 wait=0.1, wait backoff 2.0, one/k/m 200");
}

BOOST_AUTO_TEST_CASE(a_429_is_waited_out_and_never_cut_short) {
    Play play("one: k / m");
    play.answers("one/k/m", {"429 wait=2", "200"});
    BOOST_TEST(play.ask() == "one/k/m 429 wait=2, wait rate_limit 2.0, one/k/m 200");
    play.chance = 0.999;
    play.answers("one/k/m", {"429 wait=2", "200"});
    BOOST_TEST(play.ask() == "one/k/m 429 wait=2, wait rate_limit 2.5, one/k/m 200");
}

// ---- the deadline

BOOST_AUTO_TEST_CASE(a_running_attempt_is_not_bounded_by_the_deadline) {
    Play play("one: k / m");
    play.deadline = 5;
    play.answers("one/k/m", {"200 slow=60 lasts=500"});
    BOOST_TEST(play.ask() == "one/k/m 200 slow=60 lasts=500");
    BOOST_TEST(play.now() == 560);
}

BOOST_AUTO_TEST_CASE(past_the_deadline_no_attempt_begins) {
    Play play("one: k1 k2 / m; two: k / m");
    play.deadline = 5;
    play.answers("one/k1/m", {"401 slow=6"});
    BOOST_TEST(play.ask() == "one/k1/m 401 slow=6 -> 401");
    play.answers("one/k2/m", {"503 slow=6"});
    BOOST_TEST(play.ask() == "one/k2/m 503 slow=6 -> 503");
}

BOOST_AUTO_TEST_CASE(a_pause_that_would_end_past_the_deadline_does_not_begin) {
    Play play("one: k / m");
    play.deadline = 2.5;
    play.answers("one/k/m", {"503"});
    BOOST_TEST(play.ask() == "one/k/m 503, wait backoff 1.0, one/k/m 503 -> 503");
    BOOST_TEST(play.now() == 1.0);
}

BOOST_AUTO_TEST_CASE(instead_of_such_a_pause_another_target_is_tried) {
    Play play("one: k / m1 m2");
    play.answers("one/k/m1", {"500 wait=300"});
    BOOST_TEST(play.ask() == "one/k/m1 500 wait=300, one/k/m2 200");
}

BOOST_AUTO_TEST_CASE(a_wait_beyond_the_deadline_is_refused_at_once) {
    Play play("one: k / m");
    play.answers("one/k/m", {"429 wait=86400 code=rate_limit_exceeded"});
    BOOST_TEST(play.ask() ==
               "one/k/m 429 wait=86400 code=rate_limit_exceeded -> 429 rate_limit_exceeded retry-after=60");
    BOOST_TEST(play.ask() == "-> 429 rate_limited retry-after=60");
    BOOST_TEST(play.now() == 0);
}

BOOST_AUTO_TEST_CASE(the_deadline_counts_from_the_request_and_not_from_the_attempt) {
    Play play("one: k / m");
    play.deadline = 10;
    play.answers("one/k/m", {"429 wait=6", "429 wait=6"});
    BOOST_TEST(play.ask() == "one/k/m 429 wait=6, wait rate_limit 6.0, one/k/m 429 wait=6 -> 429 retry-after=6");
    BOOST_TEST(play.now() == 6.0);
}

BOOST_AUTO_TEST_CASE(who_will_not_wait_gets_one_attempt_at_once) {
    Play play("one: k / m");
    play.deadline = 0;
    play.answers("one/k/m", {"503", "429", "200"});
    BOOST_TEST(play.ask() == "one/k/m 503 -> 503");
    BOOST_TEST(play.ask() == "one/k/m 429 -> 429");
    BOOST_TEST(play.ask() == "-> 429 rate_limited retry-after=1");
}

// ---- what the vendor says of retrying

BOOST_AUTO_TEST_CASE(x_should_retry_false_is_obeyed) {
    for (const std::string failure : {"503 no-retry", "500 no-retry", "429 wait=2 no-retry"}) {
        Play alone("one: k / m1");
        alone.answers("one/k/m1", {failure});
        BOOST_TEST(alone.ask().starts_with("one/k/m1 " + failure + " -> " + failure.substr(0, 3)));
        BOOST_TEST(alone.calls.size() == 1u);
        Play two("one: k1 k2 / m1 m2");
        two.answers("one/k1/m1", {failure});
        BOOST_TEST(two.ask() == "one/k1/m1 " + failure + ", one/k1/m2 200");
    }
}

BOOST_AUTO_TEST_CASE(x_should_retry_true_helps_a_4xx_that_means_nothing_else) {
    Play play("one: k1 k2 / m");
    play.answers("one/k1/m", {"418 retry", "200"});
    BOOST_TEST(play.ask() == "one/k1/m 418 retry, wait backoff 1.0, one/k1/m 200");
    play.answers("one/k1/m", {"418"});
    BOOST_TEST(play.ask() == "one/k1/m 418 -> 418");
    play.answers("one/k1/m", {"401 retry"});
    BOOST_TEST(play.ask() == "one/k1/m 401 retry, one/k2/m 200");
}

// ---- what may not be sent twice, and what is free

BOOST_AUTO_TEST_CASE(nothing_is_retried_once_the_client_has_seen_output) {
    Play play("one: k / m m2");
    play.answers("one/k/m", {"200 broken"});
    BOOST_TEST(play.ask() == "one/k/m 200 broken -> 502 upstream_closed");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_sent_twice_is_retried_only_if_it_was_not_sent) {
    Play play("one: k1 k2 / m");
    play.replayable = false;
    play.answers("one/k1/m", {"refused", "200"});
    BOOST_TEST(play.ask() == "one/k1/m refused, wait backoff 1.0, one/k1/m 200");
    for (const std::string failure : {"503", "401", "closed", "429 wait=1"}) {
        play.pass(1000);
        play.calls.clear();
        play.answers("one/k1/m", {failure});
        play.ask();
        BOOST_TEST(play.calls.size() == 1u, failure);
    }
}

BOOST_AUTO_TEST_CASE(a_stale_pooled_connection_is_replaced_once_and_free) {
    Play play("one: k / m");
    play.retry.attempts = 1;
    play.answers("one/k/m", {"cut", "503"});
    BOOST_TEST(play.ask() == "one/k/m cut, one/k/m 503 fresh -> 503");
    play.answers("one/k/m", {"cut", "cut", "200"});
    BOOST_TEST(play.ask() == "one/k/m cut, one/k/m cut fresh -> 502 upstream_closed");
}

BOOST_AUTO_TEST_CASE(a_connection_that_broke_within_the_answer_was_not_stale) {
    Play play("one: k / m");
    play.answers("one/k/m", {"cut began", "200"});
    BOOST_TEST(play.ask() == "one/k/m cut began, wait backoff 1.0, one/k/m 200");
}

BOOST_AUTO_TEST_CASE(an_option_of_ours_that_is_refused_is_left_out_without_a_pause) {
    Play play("one: k / m");
    play.answers("one/k/m", {"400 usage", "409", "200"});
    BOOST_TEST(play.ask() ==
               "one/k/m 400 usage, one/k/m 409 without usage, wait backoff 2.0, one/k/m 200 without usage");
    play.answers("one/k/m", {"400 usage"});
    BOOST_TEST(play.ask() == "one/k/m 400 usage, one/k/m 400 usage without usage -> 400");
}

BOOST_AUTO_TEST_CASE(a_client_that_leaves_ends_it) {
    Play play("one: k1 k2 / m");
    play.answers("one/k1/m", {"gone"});
    BOOST_TEST(play.ask() == "one/k1/m gone -> 499 client_closed");
    BOOST_TEST(play.ask() == "one/k1/m gone -> 499 client_closed");
}

BOOST_AUTO_TEST_SUITE_END()
