// Keys as requests meet them (contract, section 4 "Keys"; errors.md, R2 and R8).
#include <boost/test/unit_test.hpp>

#include "play.hpp"

using streamkeeper::KeyState;
using streamkeeper::play::Play;

BOOST_AUTO_TEST_SUITE(attempt_loop_keys)

BOOST_AUTO_TEST_CASE(a_bad_key_is_replaced_by_the_next_one_and_left_alone_from_then_on) {
    for (const std::string refusal : {"401", "400 code=invalid_api_key", "402", "429 code=insufficient_quota",
                                      "403 code=insufficient_user_quota", "400 broke"}) {
        Play play("one: k1 k2 / m");
        play.answers("one/k1/m", {refusal});
        const std::string both = "one/k1/m " + refusal + ", one/k2/m 200";
        BOOST_TEST(play.ask() == both);
        BOOST_TEST(play.ask() == "one/k2/m 200");
        play.pass(61);
        BOOST_TEST(play.ask() == both);
        play.pass(61);
        BOOST_TEST(play.ask() == "one/k2/m 200");
        play.pass(60);
        BOOST_TEST(play.ask() == both);
        const bool bad = refusal.starts_with("401") || refusal.ends_with("api_key");
        BOOST_TEST((play.traffic("one").keys.state(0) == (bad ? KeyState::retired : KeyState::parked)), refusal);
        BOOST_TEST((play.traffic("one").keys.state(1) == KeyState::usable));
    }
}

BOOST_AUTO_TEST_CASE(a_402_with_a_time_is_waited_out_and_parks_nothing) {
    Play play("one: k / m");
    play.answers("one/k/m", {"402 wait=3", "200"});
    BOOST_TEST(play.ask() == "one/k/m 402 wait=3, wait rate_limit 3.0, one/k/m 200");
    BOOST_TEST((play.traffic("one").keys.state(0) == KeyState::usable));
}

BOOST_AUTO_TEST_CASE(a_hard_quota_dressed_as_429_is_told_as_402) {
    Play play("one: k / m");
    play.answers("one/k/m", {"429 code=insufficient_quota"});
    BOOST_TEST(play.ask() == "one/k/m 429 code=insufficient_quota -> 402 insufficient_quota");
    play.ask();
    BOOST_TEST(play.ask() == "-> 402 insufficient_quota");
    BOOST_TEST(play.ended->reason == "billing");
}

BOOST_AUTO_TEST_CASE(a_top_up_works_at_once) {
    Play play("one: k / m");
    play.answers("one/k/m", {"402 code=quota_exceeded", "402 code=quota_exceeded", "200"});
    BOOST_TEST(play.ask() == "one/k/m 402 code=quota_exceeded -> 402 quota_exceeded");
    BOOST_TEST(play.ask() == "one/k/m 402 code=quota_exceeded -> 402 quota_exceeded");
    BOOST_TEST(play.ask() == "-> 402 quota_exceeded");
    play.pass(61);
    BOOST_TEST(play.ask() == "one/k/m 200");
    BOOST_TEST(play.ask() == "one/k/m 200");
    BOOST_TEST((play.traffic("one").keys.state(0) == KeyState::usable));
}

BOOST_AUTO_TEST_CASE(a_refused_key_is_tried_at_most_once_a_minute_doubling_to_ten) {
    Play play("one: k / m");
    play.answers("one/k/m", {"401"});
    for (int second = 0; second < 3600; second += 10) {
        play.ask();
        play.pass(10);
    }
    // The first new try is free; then after 1, 2, 4, 8, 10, 10 … minutes.
    BOOST_TEST(play.call_times() == "0.0 10.0 70.0 190.0 430.0 910.0 1510.0 2110.0 2710.0 3310.0");
}

BOOST_AUTO_TEST_CASE(the_free_try_is_for_a_key_without_company) {
    Play play("one: k1 k2 / m; two: k / n");
    play.answers("one/k1/m", {"402"});
    play.answers("one/k2/m", {"402"});
    BOOST_TEST(play.ask() == "one/k1/m 402, one/k2/m 402, two/k/n 200");
    BOOST_TEST(play.fallback == "billing");
    BOOST_TEST(play.ask() == "two/k/n 200");
    BOOST_TEST(play.fallback == "key");
    play.answers("two/k/n", {"402"});
    BOOST_TEST(play.ask() == "two/k/n 402, one/k1/m 402, one/k2/m 402 -> 402");
    BOOST_TEST(play.ask() == "two/k/n 402 -> 402");
    BOOST_TEST(play.ask() == "-> 402");
}

BOOST_AUTO_TEST_CASE(keys_that_work_again_start_anew) {
    Play play("one: k / m");
    play.answers("one/k/m", {"402", "402", "402", "402", "200", "402", "402", "200"});
    play.ask();
    play.ask();
    for (const double minutes : {1, 2, 4}) {
        play.pass(minutes * 60);
        play.ask();
    }
    BOOST_TEST(play.calls.back().answer == "200");
    BOOST_TEST(play.ask() == "one/k/m 402 -> 402");
    BOOST_TEST(play.ask() == "one/k/m 402 -> 402");
    play.pass(60);
    BOOST_TEST(play.ask() == "one/k/m 200");
}

BOOST_AUTO_TEST_CASE(two_requests_at_once_do_not_both_try_a_parked_key) {
    Play play("one: k1 k2 / m");
    play.answers("one/k1/m", {"402", "402 slow=2"});
    play.ask();
    play.pass(61);
    play.calls.clear();
    const auto& first = play.begin();
    const auto& second = play.begin();
    play.run();
    BOOST_TEST(first.told == "one/k1/m 402 slow=2, one/k2/m 200");
    BOOST_TEST(second.told == "one/k2/m 200");
}

BOOST_AUTO_TEST_CASE(who_waited_for_a_key_that_is_refused_meanwhile_does_not_try_it) {
    Play play("one: k1 / m; two: k / n");
    play.upstream("one")->max_in_flight = play.upstream("two")->max_in_flight = 1;
    play.configure();
    play.answers("one/k1/m", {"402 slow=2"});
    play.answers("two/k/n", {"200 slow=5"});
    for (int i = 0; i < 6; ++i) play.begin();
    play.run();
    int with_k1 = 0;
    for (const auto& call : play.calls) with_k1 += call.where == "one/k1/m" ? 1 : 0;
    BOOST_TEST(with_k1 == 1);
    BOOST_TEST(play.calls.size() == 7u);
}

BOOST_AUTO_TEST_CASE(a_403_about_one_model_is_remembered_for_that_key_and_model_for_ten_minutes) {
    for (const std::string refusal : {"403 code=model_access_denied", "403", "401 type=key_model_access_denied"}) {
        Play play("one: k1 k2 / m1 m2");
        play.answers("one/k1/m1", {refusal});
        BOOST_TEST(play.ask() == "one/k1/m1 " + refusal + ", one/k2/m1 200");
        BOOST_TEST((play.traffic("one").keys.state(0) == KeyState::usable));
        play.pass(599);
        play.answers("one/k2/m1", {"503 capacity", "200"});
        BOOST_TEST(play.ask() == "one/k2/m1 503 capacity, one/k1/m2 200");
        BOOST_TEST(play.ask() == "one/k2/m1 200");
        play.pass(2);
        BOOST_TEST(play.ask() == "one/k1/m1 " + refusal + ", one/k2/m1 200");
    }
}

BOOST_AUTO_TEST_CASE(an_address_or_account_that_is_refused_is_refused_for_all_models_of_the_upstream) {
    for (const std::string code : {"ip_not_allowed", "account_suspended"}) {
        Play play("one: k / m1 m2; two: k / m3");
        play.answers("one/k/m1", {"403 code=" + code});
        BOOST_TEST(play.ask() == "one/k/m1 403 code=" + code + ", two/k/m3 200");
        BOOST_TEST((play.traffic("one").keys.state(0) == KeyState::usable));
        play.pass(599);
        BOOST_TEST(play.ask() == "two/k/m3 200");
        play.pass(2);
        BOOST_TEST(play.ask() == "one/k/m1 403 code=" + code + ", two/k/m3 200");
    }
}

BOOST_AUTO_TEST_CASE(with_no_usable_key_the_last_real_status_is_told) {
    Play play("one: k1 k2 / m");
    play.answers("one/k1/m", {"401 code=invalid_key"});
    play.answers("one/k2/m", {"402 code=quota_exceeded"});
    play.ask();
    play.ask();
    BOOST_TEST(play.ask() == "-> 402 quota_exceeded");
    BOOST_TEST(play.ended->message.find("k2") != std::string::npos);
    BOOST_TEST(play.ended->hint.starts_with("Top up"));
    Play denied("one: k / m");
    denied.answers("one/k/m", {"403 code=model_access_denied"});
    denied.ask();
    BOOST_TEST(denied.ask() == "-> 403 model_access_denied");
}

BOOST_AUTO_TEST_CASE(an_upstream_without_keys_has_none_to_blame) {
    Play play("one: / m");
    play.answers("one/-/m", {"401"});
    BOOST_TEST(play.ask() == "one/-/m 401 -> 401");
    play.answers("one/-/m", {"200"});
    BOOST_TEST(play.ask() == "one/-/m 200");
}

BOOST_AUTO_TEST_SUITE_END()
