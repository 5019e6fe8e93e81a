// Which other target a failure leads to (contract, sections 2 and 4; errors.md, table (a)).
#include <boost/test/unit_test.hpp>

#include "play.hpp"

using streamkeeper::play::Play;

BOOST_AUTO_TEST_SUITE(attempt_loop_chains)

BOOST_AUTO_TEST_CASE(a_model_that_fails_is_left_for_the_next_one_in_the_chain) {
    Play play("one: k / m1 m2");
    play.answers("one/k/m1", {"503"});
    BOOST_TEST(play.ask() == "one/k/m1 503, wait backoff 1.0, one/k/m1 503, one/k/m2 200");
    BOOST_TEST(play.fallback == "overload");
}

BOOST_AUTO_TEST_CASE(a_chain_crosses_upstreams_with_keys_of_their_own) {
    Play play("one: k1 k2 / m; two: x y / n; three: / o");
    play.answers("one/k1/m", {"401"});
    play.answers("one/k2/m", {"402"});
    play.answers("two/x/n", {"401"});
    play.answers("two/y/n", {"404 policy", "503 capacity"});
    BOOST_TEST(play.ask() == "one/k1/m 401, one/k2/m 402, two/x/n 401, two/y/n 404 policy -> 404 content_filter");
    BOOST_TEST(play.ask() == "two/y/n 503 capacity, three/-/o 200");
    BOOST_TEST(play.fallback == "overload");
}

BOOST_AUTO_TEST_CASE(an_answer_of_the_target_asked_for_is_no_fallback) {
    Play play("one: k1 k2 / m1 m2");
    play.answers("one/k1/m1", {"401"});
    BOOST_TEST(play.ask() == "one/k1/m1 401, one/k2/m1 200");
    BOOST_TEST(play.fallback == "");
}

BOOST_AUTO_TEST_CASE(the_reason_of_a_fallback_is_the_failure_that_led_to_it) {
    const std::pair<std::string, std::string> cases[] = {{"429 wait=60", "rate_limit"},
                                                         {"402", "billing"},
                                                         {"401", "auth"},
                                                         {"400 context", "context_length"},
                                                         {"404 model", "model_not_found"},
                                                         {"500 no-retry", "server"},
                                                         {"503 capacity", "overload"}};
    for (const auto& [answer, reason] : cases) {
        Play play("one: k / m1; two: k / m2");
        play.windows = {{"m1", 1000}, {"m2", 2000}};
        play.answers("one/k/m1", {answer});
        play.answers("two/k/m2", {"409", "200"});
        play.ask();
        BOOST_TEST(play.calls.back().where == "two/k/m2");
        BOOST_TEST(play.fallback == reason);
    }
}

BOOST_AUTO_TEST_CASE(while_one_model_is_limited_the_next_one_serves) {
    Play play("one: k / m1 m2");
    play.answers("one/k/m1", {"429 wait=100"});
    BOOST_TEST(play.ask() == "one/k/m1 429 wait=100, one/k/m2 200");
    BOOST_TEST(play.ask() == "one/k/m2 200");
    BOOST_TEST(play.fallback == "rate_limit");
    play.pass(101);
    play.answers("one/k/m1", {"200"});
    BOOST_TEST(play.ask() == "one/k/m1 200");
    BOOST_TEST(play.fallback == "");
}

BOOST_AUTO_TEST_CASE(a_model_without_capacity_or_quota_is_left_with_all_its_keys) {
    for (const std::string failure : {"429 capacity", "503 no-retry", "400 context"}) {
        Play play("one: k1 k2 / m1 m2");
        play.windows = {{"m1", 1000}, {"m2", 2000}};
        play.answers("one/k1/m1", {failure});
        BOOST_TEST(play.ask() == "one/k1/m1 " + failure + ", one/k1/m2 200");
    }
}

BOOST_AUTO_TEST_CASE(a_refused_key_is_not_used_for_the_chains_other_models_while_there_is_another) {
    Play play("one: k1 k2 / m1 m2");
    play.answers("one/k1/m1", {"401"});
    play.answers("one/k2/m1", {"503 capacity"});
    BOOST_TEST(play.ask() == "one/k1/m1 401, one/k2/m1 503 capacity, one/k2/m2 200");
}

// ---- what another upstream does not share

BOOST_AUTO_TEST_CASE(a_wrong_address_a_certificate_a_proxy_or_a_country_moves_on_to_another_upstream) {
    for (const std::string failure : {"200 html", "403 html", "302 html", "certificate", "proxy", "403 geo"}) {
        Play play("one: k1 k2 / m1 m2; two: k / m3");
        play.answers("one/k1/m1", {failure});
        BOOST_TEST(play.ask() == "one/k1/m1 " + failure + ", two/k/m3 200");
        Play alone("one: k1 k2 / m1 m2");
        alone.answers("one/k1/m1", {failure});
        alone.ask();
        BOOST_TEST(alone.calls.size() == 1u, failure);
        BOOST_TEST(alone.ended.has_value());
    }
}

BOOST_AUTO_TEST_CASE(a_firewalls_page_does_not_blame_the_key) {
    Play play("one: k1 k2 / m");
    play.answers("one/k1/m", {"403 html", "200"});
    BOOST_TEST(play.ask() == "one/k1/m 403 html -> 502 upstream_not_an_api");
    BOOST_TEST(play.ask() == "one/k1/m 200");
}

BOOST_AUTO_TEST_CASE(a_request_that_is_wrong_itself_fails_at_once) {
    for (const std::string failure : {"400", "405", "415", "422", "404 code=endpoint_not_found", "501", "505"}) {
        Play play("one: k1 k2 / m1 m2; two: k / m3");
        play.answers("one/k1/m1", {failure});
        BOOST_TEST(play.ask().starts_with("one/k1/m1 " + failure + " -> " + failure.substr(0, 3)));
        BOOST_TEST(play.calls.size() == 1u);
    }
}

// ---- chains for one cause

BOOST_AUTO_TEST_CASE(what_the_content_policy_refuses_goes_to_its_opt_in_chain_only) {
    Play none("one: k / m1 m2; two: k / m3");
    none.answers("one/k/m1", {"400 policy"});
    BOOST_TEST(none.ask() == "one/k/m1 400 policy -> 400 content_filter");
    Play play("one: k1 k2 / m1 free@content_policy m2");
    play.answers("one/k1/m1", {"400 policy"});
    BOOST_TEST(play.ask() == "one/k1/m1 400 policy, one/k1/free 200");
    BOOST_TEST(play.fallback == "content_policy");
}

BOOST_AUTO_TEST_CASE(a_chain_for_one_cause_is_passed_over_for_others) {
    Play play("one: k / m1 free@content_policy long@context_length m2");
    play.answers("one/k/m1", {"503 capacity"});
    BOOST_TEST(play.ask() == "one/k/m1 503 capacity, one/k/m2 200");
}

BOOST_AUTO_TEST_CASE(the_opt_in_chain_is_walked_to_its_end_and_leads_nowhere_else) {
    for (const std::string failure : {"503 capacity", "500 no-retry", "401", "400 policy", "404 model"}) {
        Play play("one: k / m1; a: k / f1@content_policy; b: k / f2@content_policy; c: k / m2");
        play.answers("one/k/m1", {"400 policy"});
        play.answers("a/k/f1", {failure});
        const std::string list = failure == "404 model" ? ", list" : "";
        BOOST_TEST(play.ask() == "one/k/m1 400 policy, a/k/f1 " + failure + list + ", b/k/f2 200");
        play.answers("b/k/f2", {"certificate"});
        play.pass(1000);
        play.ask();
        BOOST_TEST(play.calls.back().where == "b/k/f2", failure);
    }
}

BOOST_AUTO_TEST_CASE(a_target_of_the_opt_in_chain_is_waited_for_like_any_other) {
    Play play("one: k / m1; two: k1 k2 / free@content_policy");
    play.answers("one/k/m1", {"400 policy"});
    play.answers("two/k1/free", {"401"});
    play.answers("two/k2/free", {"429 wait=3", "200"});
    BOOST_TEST(play.ask() ==
               "one/k/m1 400 policy, two/k1/free 401, two/k2/free 429 wait=3, wait rate_limit 3.0, two/k2/free 200");
}

BOOST_AUTO_TEST_CASE(a_context_that_is_too_small_goes_to_its_chain_and_then_to_larger_models) {
    Play play("one: k / m1; a: k / big@context_length; b: k / bigger@context_length; c: k / small huge");
    play.windows = {{"m1", 8000}, {"big", 16000}, {"small", 4000}, {"huge", 100000}};  // bigger's is unknown
    play.answers("one/k/m1", {"400 context"});
    BOOST_TEST(play.ask() == "one/k/m1 400 context, a/k/big 200");
    play.answers("a/k/big", {"429 wait=2 overloaded"});
    BOOST_TEST(play.ask() == "one/k/m1 400 context, a/k/big 429 wait=2 overloaded, b/k/bigger 200");
    play.pass(10);
    play.answers("a/k/big", {"400 context"});
    play.answers("b/k/bigger", {"400 context"});
    BOOST_TEST(play.ask() == "one/k/m1 400 context, a/k/big 400 context, b/k/bigger 400 context, c/k/huge 200");
}

// ---- context windows

BOOST_AUTO_TEST_CASE(a_context_that_is_too_small_moves_only_to_a_larger_one) {
    Play play("one: k / m small big");
    play.windows = {{"m", 8000}, {"small", 4000}, {"big", 100000}};
    play.answers("one/k/m", {"400 context"});
    BOOST_TEST(play.ask() == "one/k/m 400 context, one/k/big 200");
    play.windows["big"] = 8000;
    BOOST_TEST(play.ask() == "one/k/m 400 context -> 400 context_length_exceeded");
}

BOOST_AUTO_TEST_CASE(a_model_of_unknown_context_is_not_known_to_be_larger) {
    Play play("one: k / m other");
    play.windows = {{"m", 8000}};
    play.answers("one/k/m", {"400 context"});
    BOOST_TEST(play.ask() == "one/k/m 400 context -> 400 context_length_exceeded");
    play.windows = {{"other", 8000}};
    BOOST_TEST(play.ask() == "one/k/m 400 context, one/k/other 200");
    play.windows = {};
    BOOST_TEST(play.ask() == "one/k/m 400 context -> 400 context_length_exceeded");
}

BOOST_AUTO_TEST_CASE(the_largest_context_that_was_too_small_decides) {
    Play play("one: k / m larger middle largest");
    play.windows = {{"m", 8000}, {"larger", 32000}, {"middle", 16000}, {"largest", 64000}};
    play.answers("one/k/m", {"400 context"});
    play.answers("one/k/larger", {"400 context"});
    BOOST_TEST(play.ask() == "one/k/m 400 context, one/k/larger 400 context, one/k/largest 200");
}

BOOST_AUTO_TEST_CASE(a_model_that_was_given_up_and_is_too_small_stays_given_up) {
    Play play("one: k / m larger");
    play.windows = {{"m", 8000}, {"larger", 32000}};
    play.answers("one/k/m", {"503", "503", "200"});
    play.answers("one/k/larger", {"400 context"});
    BOOST_TEST(play.ask() ==
               "one/k/m 503, wait backoff 1.0, one/k/m 503, one/k/larger 400 context -> 400 context_length_exceeded");
}

BOOST_AUTO_TEST_CASE(a_larger_model_that_fails_is_tried_again_as_usual) {
    Play play("one: k / m big");
    play.windows = {{"m", 8000}, {"big", 16000}};
    play.answers("one/k/m", {"400 context"});
    play.answers("one/k/big", {"409", "429 wait=1", "200"});
    BOOST_TEST(play.ask() ==
               "one/k/m 400 context, one/k/big 409, wait backoff 2.0, one/k/big 429 wait=1, wait rate_limit 1.0, "
               "one/k/big 200");
}

BOOST_AUTO_TEST_SUITE_END()
