// Requests at gates: what they try first, what they wait for, and what they are told (contract, sections 4 and 5).
#include <boost/test/unit_test.hpp>

#include "play.hpp"

using namespace streamkeeper;
using play::Play;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(attempt_loop_waits)

// ---- other keys and models first

BOOST_AUTO_TEST_CASE(another_key_helps_where_each_has_its_own_limit) {
    Play play("one: k1 k2 / m");
    play.answers("one/k1/m", {"429 wait=9"});
    BOOST_TEST(play.ask() == "one/k1/m 429 wait=9, one/k2/m 200");
    BOOST_TEST(play.ask() == "one/k2/m 200");
}

BOOST_AUTO_TEST_CASE(another_key_helps_nothing_where_they_share_the_limit) {
    for (const LimitScope scope : {LimitScope::account, LimitScope::ip}) {
        Play play("one: k1 k2 / m");
        play.upstream("one")->limit_scope = scope;
        play.configure();
        play.answers("one/k1/m", {"429 wait=9", "200"});
        BOOST_TEST(play.ask() == "one/k1/m 429 wait=9, wait rate_limit 9.0, one/k1/m 200");
    }
}

BOOST_AUTO_TEST_CASE(another_model_helps_where_the_limit_is_per_model) {
    Play play("one: k / m1 m2");
    play.answers("one/k/m1", {"429 wait=9"});
    BOOST_TEST(play.ask() == "one/k/m1 429 wait=9, one/k/m2 200");
    Play all("one: k / m1 m2");
    all.upstream("one")->limit_per_model = false;
    all.configure();
    all.answers("one/k/m1", {"429 wait=9", "200"});
    BOOST_TEST(all.ask() == "one/k/m1 429 wait=9, wait rate_limit 9.0, one/k/m1 200");
}

BOOST_AUTO_TEST_CASE(an_overloaded_model_is_left_after_one_try_and_no_key_helps_it) {
    Play play("one: k1 k2 / m1 m2");
    play.answers("one/k1/m1", {"429 overloaded"});
    BOOST_TEST(play.ask() == "one/k1/m1 429 overloaded, one/k1/m2 200");
    Play alone("one: k1 k2 / m");
    alone.answers("one/k1/m", {"503 wait=4", "200"});
    BOOST_TEST(alone.ask() == "one/k1/m 503 wait=4, wait rate_limit 4.0, one/k1/m 200");
}

BOOST_AUTO_TEST_CASE(what_opens_first_is_taken_across_keys_models_and_upstreams) {
    Play play("one: k1 k2 / m; two: k / n");
    play.answers("one/k1/m", {"429 wait=30", "200"});
    play.answers("one/k2/m", {"429 wait=20", "200"});
    play.answers("two/k/n", {"429 wait=10", "429 wait=100", "200"});
    BOOST_TEST(play.ask() ==
               "one/k1/m 429 wait=30, one/k2/m 429 wait=20, two/k/n 429 wait=10, wait rate_limit 10.0, "
               "two/k/n 429 wait=100, wait rate_limit 10.0, one/k2/m 200");
    BOOST_TEST(play.fallback == "");
}

BOOST_AUTO_TEST_CASE(who_got_one_target_stands_at_no_other_gate_any_more) {
    Play play("one: k / m; two: k / n");
    play.answers("one/k/m", {"429 wait=30"});
    play.answers("two/k/n", {"429 wait=10", "200 lasts=100"});
    play.begin();
    play.pass(11);
    BOOST_TEST(play.traffic("one").gates.waiting() == 0u);
    BOOST_TEST(play.traffic("two").gates.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(a_target_that_opens_too_late_is_no_target_left) {
    Play play("one: k / m1 m2");
    play.deadline = 60;
    play.answers("one/k/m2", {"429 wait=1000"});
    std::rotate(play.plan.targets.begin(), play.plan.targets.begin() + 1, play.plan.targets.end());
    play.ask();
    std::rotate(play.plan.targets.begin(), play.plan.targets.begin() + 1, play.plan.targets.end());
    play.answers("one/k/m1", {"503", "503", "503", "200"});
    BOOST_TEST(play.ask() ==
               "one/k/m1 503, wait backoff 1.0, one/k/m1 503, wait backoff 2.0, one/k/m1 503, wait backoff 4.0, "
               "one/k/m1 200");
}

// ---- without a hint

BOOST_AUTO_TEST_CASE(a_vendor_that_limits_for_a_minute_without_a_word_is_survived) {
    Play play("one: k / m");
    play.vendor = [&](const std::string&) { return play.now() < 60 ? "429" : "200"; };
    BOOST_TEST(play.ask().ends_with("one/k/m 200"));
    BOOST_TEST(play.call_times() == "0.0 1.0 3.0 7.0 15.0 30.0 45.0 60.0");
}

BOOST_AUTO_TEST_CASE(a_hint_of_nothing_is_not_believed) {
    Play play("one: k / m");
    play.answers("one/k/m", {"429 wait=0", "429 wait=0", "200"});
    BOOST_TEST(play.ask() ==
               "one/k/m 429 wait=0, wait rate_limit 1.0, one/k/m 429 wait=0, wait rate_limit 2.0, one/k/m 200");
}

// ---- several requests at one gate

BOOST_AUTO_TEST_CASE(one_refusal_informs_all_and_one_probe_goes_for_all) {
    Play play("one: k / m");
    play.answers("one/k/m", {"429 wait=5", "200 slow=2 lasts=10"});
    for (int i = 0; i < 8; ++i) play.begin();
    play.run();
    // All eight are under way when the first refusal comes; only it is one.
    BOOST_TEST(play.call_times() == "0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 5.0");
    Play late("one: k / m");
    late.answers("one/k/m", {"429 wait=5", "200 slow=2 lasts=10"});
    late.begin();
    late.pass(1);
    for (int i = 0; i < 9; ++i) late.begin();
    late.run();
    BOOST_TEST(late.call_times() == "0.0 5.0 7.0 7.0 9.0 9.0 9.0 9.0 9.0 9.0 9.0");
}

BOOST_AUTO_TEST_CASE(a_refused_probe_sends_nobody_after_it) {
    Play play("one: k / m");
    play.answers("one/k/m", {"429", "429 slow=1", "429", "200"});
    play.begin();
    play.pass(0.5);
    for (int i = 0; i < 3; ++i) play.begin();
    play.run();
    BOOST_TEST(play.call_times() == "0.0 1.0 4.0 8.0 8.0 8.0 8.0");
}

BOOST_AUTO_TEST_CASE(a_probe_whose_client_leaves_is_followed_by_the_next) {
    Play play("one: k / m");
    play.answers("one/k/m", {"429 wait=5", "200 slow=60", "200"});
    play.begin();
    play.pass(1);
    auto& second = play.begin();
    const auto& third = play.begin();
    const auto& fourth = play.begin();
    play.pass(5);
    play.leave(second);  // still waiting: the first one is the probe
    play.pass(10);
    BOOST_TEST(play.call_times() == "0.0 5.0");
    BOOST_TEST(third.told == "");
    play.leave(*play.request(0));
    play.pass(0);
    BOOST_TEST(third.told == "wait rate_limit 15.0, one/k/m 200");
    BOOST_TEST(fourth.told == "wait rate_limit 15.0, one/k/m 200");
}

BOOST_AUTO_TEST_CASE(a_stale_connection_is_not_replaced_through_a_gate_that_has_closed_meanwhile) {
    Play play("one: k / m");
    play.answers("one/k/m", {"429 wait=5 slow=1", "cut slow=1", "200"});
    play.begin();
    play.pass(0.5);
    const auto& second = play.begin();
    play.run();
    BOOST_TEST(play.call_times() == "0.0 0.5 6.0 6.0");
    BOOST_TEST(second.told.starts_with("one/k/m cut slow=1, wait rate_limit 4.5, one/k/m 200"));
}

BOOST_AUTO_TEST_CASE(whoever_waits_in_vain_after_a_new_refusal_is_told_at_once) {
    Play play("one: k / m");
    play.answers("one/k/m", {"429 wait=5", "429 wait=300 code=slow_down"});
    play.begin();
    play.pass(1);
    play.deadline = 60;
    const auto& second = play.begin();
    play.pass(4);
    BOOST_TEST(second.told == "wait rate_limit 4.0 -> 429 rate_limited retry-after=60");
}

// ---- max_in_flight and queue

BOOST_AUTO_TEST_CASE(requests_beyond_max_in_flight_wait_for_a_place) {
    Play play("one: k / m");
    play.upstream("one")->max_in_flight = 2;
    play.configure();
    play.answers("one/k/m", {"200 slow=1 lasts=2"});
    for (int i = 0; i < 5; ++i) play.begin();
    play.run();
    BOOST_TEST(play.call_times() == "0.0 0.0 3.0 3.0 6.0");
}

BOOST_AUTO_TEST_CASE(a_full_wire_is_waited_for_until_the_deadline) {
    Play play("one: k / m");
    play.upstream("one")->max_in_flight = 1;
    play.configure();
    play.answers("one/k/m", {"200 lasts=100"});
    play.begin();
    play.deadline = 20;
    BOOST_TEST(play.ask() == "wait in_flight 20.0 -> 429 rate_limited");
    BOOST_TEST(play.ended->reason == "in_flight");
}

BOOST_AUTO_TEST_CASE(a_full_queue_is_said_so_at_once) {
    Play play("one: k / m");
    play.upstream("one")->max_in_flight = 1;
    play.upstream("one")->queue = 2;
    play.configure();
    play.answers("one/k/m", {"200 lasts=100"});
    for (int i = 0; i < 3; ++i) play.begin();
    BOOST_TEST(play.ask() == "-> 429 queue_full");
    BOOST_TEST(play.now() == 0);
}

BOOST_AUTO_TEST_CASE(a_place_in_one_of_two_queues_is_enough) {
    Play play("one: k / m; two: k / n");
    play.upstream("one")->queue = 0;
    play.configure();
    play.answers("one/k/m", {"429 wait=10"});
    play.answers("two/k/n", {"429 wait=20", "200"});
    BOOST_TEST(play.ask() == "one/k/m 429 wait=10, two/k/n 429 wait=20, wait rate_limit 20.0, two/k/n 200");
}

BOOST_AUTO_TEST_CASE(clients_take_turns_at_a_gate) {
    Play play("one: k / m");
    play.upstream("one")->max_in_flight = 1;
    play.configure();
    play.answers("one/k/m", {"200 lasts=1"});
    std::string order;
    play.finished = [&](const play::Request& request) { order += request.client + " "; };
    for (const char* client : {"x", "a", "a", "a", "b", "b", "c"}) play.begin(client);
    play.begin("c", true);
    play.run();
    BOOST_TEST(order == "x c a b c a b a ");
}

// ---- what is told

BOOST_AUTO_TEST_CASE(a_429_that_the_request_met_itself_keeps_the_vendors_code) {
    Play play("one: k / m");
    play.deadline = 30;
    play.answers("one/k/m", {"429 wait=40 code=tokens_per_minute"});
    BOOST_TEST(play.ask() == "one/k/m 429 wait=40 code=tokens_per_minute -> 429 tokens_per_minute retry-after=40");
    play.pass(15);
    BOOST_TEST(play.ask() ==
               "wait rate_limit 25.0, one/k/m 429 wait=40 code=tokens_per_minute -> 429 "
               "tokens_per_minute retry-after=40");
    play.deadline = 10;
    BOOST_TEST(play.ask() == "-> 429 rate_limited retry-after=40");
}

BOOST_AUTO_TEST_CASE(a_503_with_a_time_beyond_the_deadline_says_the_time) {
    Play play("one: k / m");
    play.answers("one/k/m", {"503 wait=500"});
    BOOST_TEST(play.ask() == "one/k/m 503 wait=500 -> 503 retry-after=60");
    Play soon("one: k / m");
    soon.deadline = 1;
    soon.answers("one/k/m", {"503 wait=1.2"});
    BOOST_TEST(soon.ask() == "one/k/m 503 wait=1.2 -> 503 retry-after=2");
}

BOOST_AUTO_TEST_CASE(a_closed_gate_says_how_long_and_what_would_help) {
    Play play("one: k / m");
    play.deadline = 0;
    play.answers("one/k/m", {"429 wait=7"});
    play.ask();
    BOOST_TEST(play.ask() == "-> 429 rate_limited retry-after=7");
    BOOST_TEST(play.ended->message.find("opens in 7 s") != std::string_view::npos);
    BOOST_TEST(play.ended->hint.find("x-streamkeeper-max-wait") != std::string_view::npos);
    BOOST_TEST(play.ended->reason == "rate_limit");
}

BOOST_AUTO_TEST_SUITE_END()
