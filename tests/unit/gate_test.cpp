// What closes for whom, until when, and how it opens again (contract, section 4 "One waiting mechanism").
#include "streamkeeper/gate.hpp"

#include <boost/test/unit_test.hpp>

#include "gate_scene.hpp"

using namespace streamkeeper;
using gate_scene::Scene;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(gate)

// ---- scopes

namespace {

/// Which of four lanes a refusal of (key 0, model a) leaves open.
std::string open_after(LimitScope scope, bool per_model, bool overload) {
    Scene scene;
    scene.upstream.limit_scope = scope;
    scene.upstream.limit_per_model = per_model;
    scene.configure();
    const auto pause = [](unsigned) { return 10s; };
    scene.gates.refuse(Pass(), Scene::lane(0, "a"), overload, 429, pause, scene.now);
    std::string left;
    for (const auto& [key, model] : {std::pair(0u, "a"), {0u, "b"}, {1u, "a"}, {1u, "b"}})
        if (scene.open(key, model)) left += std::to_string(key) + model + " ";
    return left;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_refusal_closes_what_shares_its_scope) {
    BOOST_TEST(open_after(LimitScope::key, true, false) == "0b 1a 1b ");
    BOOST_TEST(open_after(LimitScope::key, false, false) == "1a 1b ");
    BOOST_TEST(open_after(LimitScope::account, true, false) == "0b 1b ");
    BOOST_TEST(open_after(LimitScope::account, false, false) == "");
    BOOST_TEST(open_after(LimitScope::ip, true, false) == "0b 1b ");
    BOOST_TEST(open_after(LimitScope::ip, false, false) == "");
}

BOOST_AUTO_TEST_CASE(an_overload_closes_the_model_whatever_the_key) {
    for (const LimitScope scope : {LimitScope::key, LimitScope::account, LimitScope::ip})
        for (const bool per_model : {true, false}) BOOST_TEST(open_after(scope, per_model, true) == "0b 1b ");
}

BOOST_AUTO_TEST_CASE(a_snapshot_says_who_is_closed_until_when_and_why) {
    Scene scene;
    scene.refuse(Pass(), 3, "m", 7s);
    scene.fail(Pass(), "n", 5);
    const std::vector<GateSnapshot> all = scene.gates.snapshot(scene.now);
    BOOST_REQUIRE(all.size() == 2u);
    BOOST_TEST(gate_cause_label(all[0].cause) == "rate_limit");
    BOOST_TEST(scope_label(all[0]) == "key");
    BOOST_TEST((all[0].key == 3u));
    BOOST_TEST(all[0].model == "m");
    BOOST_TEST((all[0].why.until == scene.now + 7s));
    BOOST_TEST(all[0].why.status == 429);
    BOOST_TEST(gate_cause_label(all[1].cause) == "failing");
    BOOST_TEST(scope_label(all[1]) == "upstream");
    BOOST_TEST(all[1].why.status == 503);
}

BOOST_AUTO_TEST_CASE(a_lane_is_held_up_by_the_gate_that_opens_last) {
    Scene scene;
    scene.upstream.rate_limits = {{1, 20s, LimitScope::key}};
    scene.configure();
    std::optional<Pass> pass = scene.go(0, "m");
    pass->sent(scene.now);
    pass->answered(true, scene.now);
    BOOST_TEST(scene.closed_for(0, "m") == 20);
    scene.refuse(*pass, 0, "m", 7s);
    BOOST_TEST(scene.closed_for(0, "m") == 20);
    scene.refuse(*pass, 0, "m", 70s);
    BOOST_TEST(scene.closed_for(0, "m") == 70);
    scene.fail(*pass, "m", 5);
    BOOST_TEST(scene.closed_for(0, "m") == 70);
}

// ---- until when

BOOST_AUTO_TEST_CASE(refusals_without_a_hint_back_off_by_their_number_in_a_row) {
    Scene scene;
    scene.refuse(Pass(), 0, "m");
    for (int n = 1; n <= 5; ++n) {
        BOOST_TEST(scene.closed_for(0, "m") == n);
        scene.pass_time(std::chrono::seconds(n));
        const std::optional<Pass> probe = scene.go(0, "m");
        scene.refuse(*probe, 0, "m");
    }
    scene.pass_time(6s);
    scene.go(0, "m")->answered(true, scene.now);
    scene.refuse(Pass(), 0, "m");
    BOOST_TEST(scene.closed_for(0, "m") == 1);
}

BOOST_AUTO_TEST_CASE(refusals_of_what_was_under_way_before_count_once) {
    Scene scene;
    std::vector<Pass> under_way;
    for (int i = 0; i < 5; ++i) under_way.push_back(std::move(*scene.go(0, "m")));
    for (const Pass& pass : under_way) scene.refuse(pass, 0, "m");
    BOOST_TEST(scene.closed_for(0, "m") == 1);
    under_way.clear();
    scene.pass_time(1s);
    const std::optional<Pass> probe = scene.go(0, "m");
    scene.refuse(*probe, 0, "m");
    BOOST_TEST(scene.closed_for(0, "m") == 2);
}

BOOST_AUTO_TEST_CASE(a_later_time_extends_the_closing_and_an_earlier_one_does_not) {
    Scene scene;
    const std::optional<Pass> first = scene.go(0, "m"), second = scene.go(0, "m"), third = scene.go(0, "m");
    scene.refuse(*first, 0, "m", 10s);
    scene.refuse(*second, 0, "m", 3s);
    BOOST_TEST(scene.closed_for(0, "m") == 10);
    scene.refuse(*third, 0, "m", 30s);
    BOOST_TEST(scene.closed_for(0, "m") == 30);
    scene.pass_time(29'999ms);
    BOOST_TEST(!scene.open(0, "m"));
    scene.pass_time(1ms);
    BOOST_TEST(scene.open(0, "m"));
}

/// A request that was under way before the closing may be refused after the probe went; the probe's head proves nothing
/// about that.
BOOST_AUTO_TEST_CASE(a_refusal_that_comes_behind_the_probe_holds_against_the_probes_head) {
    Scene scene;
    const std::optional<Pass> slow = scene.go(0, "m");
    scene.refuse(Pass(), 0, "m", 5s);
    scene.pass_time(5s);
    std::optional<Pass> probe = scene.go(0, "m");
    scene.refuse(*slow, 0, "m", 160s);
    BOOST_TEST(scene.closed_for(0, "m") == 160);
    probe->answered(true, scene.now);
    probe.reset();
    BOOST_TEST(scene.closed_for(0, "m") == 160);
    scene.pass_time(160s);
    probe = scene.go(0, "m");
    BOOST_TEST(probe.has_value());
    BOOST_TEST(!scene.open(0, "m"));
}

BOOST_AUTO_TEST_CASE(a_refused_probe_does_not_shorten_what_another_refusal_asked_for) {
    Scene scene;
    const std::optional<Pass> slow = scene.go(0, "m");
    scene.refuse(Pass(), 0, "m", 5s);
    scene.pass_time(5s);
    const std::optional<Pass> probe = scene.go(0, "m");
    scene.refuse(*slow, 0, "m", 160s);
    scene.refuse(*probe, 0, "m", 10s);
    BOOST_TEST(scene.closed_for(0, "m") == 160);
}

BOOST_AUTO_TEST_CASE(who_waits_is_called_when_the_time_has_come_and_not_before) {
    Scene scene;
    scene.refuse(Pass(), 0, "m", 10s);
    const int before = scene.changes;
    scene.enter("a1");
    BOOST_TEST(scene.changes > before);
    BOOST_TEST(scene.served() == "");
    BOOST_TEST((scene.gates.next_opening(scene.now) == scene.now + 10s));
    scene.pass_time(9'999ms);
    BOOST_TEST(scene.served() == "");
    scene.pass_time(1ms);
    BOOST_TEST(scene.served() == "a1");
    BOOST_TEST((scene.gates.next_opening(scene.now) == TimePoint::max()));
    BOOST_TEST(scene.gates.waiting() == 0u);
}

// ---- the probe and the ramp

BOOST_AUTO_TEST_CASE(one_probe_goes_first_and_its_2xx_head_lets_more_go) {
    Scene scene;
    scene.refuse(Pass(), 0, "m", 1s);
    for (int i = 10; i < 40; ++i) scene.enter("a" + std::to_string(i));
    scene.pass_time(1s);
    BOOST_TEST(scene.served() == "a10");
    scene.pass_time(1h);
    BOOST_TEST(scene.served() == "");
    scene.head("a10");
    BOOST_TEST(scene.served() == "a11 a12");
    scene.head("a11");
    BOOST_TEST(scene.served() == "a13 a14 a15");  // a12 is under way: four in all
    scene.head("a12");
    BOOST_TEST(scene.served() == "a16 a17 a18 a19 a20");  // eight
    scene.head("a13");
    BOOST_TEST(scene.served() == "a21 a22 a23 a24 a25 a26 a27 a28 a29");  // sixteen
}

BOOST_AUTO_TEST_CASE(one_head_counts_once) {
    Scene scene;
    scene.refuse(Pass(), 0, "m", 1s);
    for (int i = 0; i < 10; ++i) scene.enter("a" + std::to_string(i));
    scene.pass_time(1s);
    scene.served();
    scene.head("a0");
    scene.head("a0");
    scene.leave("a0");
    BOOST_TEST(scene.served() == "a1 a2");
}

BOOST_AUTO_TEST_CASE(newcomers_do_not_overtake_those_who_wait) {
    Scene scene;
    scene.refuse(Pass(), 0, "m", 1s);
    scene.enter("a1");
    scene.pass_time(1s);
    BOOST_TEST(!scene.open(0, "m"));
    BOOST_TEST(scene.served() == "a1");
    BOOST_TEST(!scene.open(0, "m"));  // the probe is under way
    scene.head("a1");
    BOOST_TEST(scene.open(0, "m"));  // nobody waits, and the vendor answers
    BOOST_TEST(scene.gates.snapshot(scene.now).empty());
}

BOOST_AUTO_TEST_CASE(another_refusal_closes_it_again) {
    Scene scene;
    scene.refuse(Pass(), 0, "m");
    for (int i = 0; i < 9; ++i) scene.enter("a" + std::to_string(i));
    scene.pass_time(1s);
    BOOST_TEST(scene.served() == "a0");
    scene.head("a0");
    BOOST_TEST(scene.served() == "a1 a2");
    scene.refuse(scene.pass_of("a1"), 0, "m");
    BOOST_TEST(scene.closed_for(0, "m") == 2);
    scene.head("a2");  // of the round before: it proves nothing about this closing
    scene.leave("a1");
    BOOST_TEST(scene.served() == "");
    scene.pass_time(2s);
    BOOST_TEST(scene.served() == "a3");
    scene.head("a3");
    BOOST_TEST(scene.served() == "a4 a5");
}

BOOST_AUTO_TEST_CASE(a_probe_whose_client_leaves_hands_over_to_the_next) {
    Scene scene;
    scene.refuse(Pass(), 0, "m", 1s);
    for (int i = 0; i < 4; ++i) scene.enter("a" + std::to_string(i));
    scene.pass_time(1s);
    BOOST_TEST(scene.served() == "a0");
    const int before = scene.changes;
    scene.leave("a0");  // before it has sent anything
    BOOST_TEST(scene.changes > before);
    BOOST_TEST(scene.served() == "a1");
    scene.pass_of("a1").sent(scene.now);
    scene.leave("a1");  // after
    BOOST_TEST(scene.served() == "a2");
    scene.head("a2");
    scene.leave("a2");
    BOOST_TEST(scene.served() == "a3");
    scene.leave("a3");
    BOOST_TEST(scene.open(0, "m"));
}

BOOST_AUTO_TEST_CASE(an_answer_that_is_neither_makes_the_next_one_the_probe) {
    Scene scene;
    scene.refuse(Pass(), 0, "m", 1s);
    for (int i = 0; i < 5; ++i) scene.enter("a" + std::to_string(i));
    scene.pass_time(1s);
    BOOST_TEST(scene.served() == "a0");
    scene.pass_of("a0").answered(false, scene.now);
    BOOST_TEST(scene.served() == "");  // what it was is judged when its body is read
    scene.pass_of("a0").give_back();
    BOOST_TEST(scene.served() == "a1");
    scene.head("a1");
    BOOST_TEST(scene.served() == "a2 a3");
    scene.pass_of("a2").answered(false, scene.now);
    scene.pass_of("a2").give_back();
    BOOST_TEST(scene.served() == "a4");
}

BOOST_AUTO_TEST_CASE(where_nobody_waits_the_next_request_is_the_probe) {
    Scene scene;
    scene.refuse(Pass(), 0, "m", 1s);
    scene.pass_time(2s);
    std::optional<Pass> probe = scene.go(0, "m");
    BOOST_TEST(probe.has_value());
    BOOST_TEST(!scene.open(0, "m"));
    probe->answered(true, scene.now);
    BOOST_TEST(scene.open(0, "m"));
}

BOOST_AUTO_TEST_CASE(enough_heads_open_the_gate_for_all) {
    Scene scene;
    scene.upstream.max_in_flight = 100'000;
    scene.upstream.queue = 100'000;
    scene.configure();
    scene.refuse(Pass(), 0, "m", 1s);
    std::vector<std::unique_ptr<Waiter>> crowd;
    std::size_t called = 0;
    for (int i = 0; i < 20'000; ++i) {
        crowd.push_back(std::make_unique<Waiter>("a", false, TimePoint::max(), [&called] { ++called; }));
        scene.gates.enter(*crowd.back(), {Scene::lane(0, "m")}, scene.now);
    }
    scene.pass_time(1s);
    scene.served();
    for (std::size_t i = 0; i < 12; ++i) {  // 2^12 = 4096 under way without a refusal
        BOOST_TEST(called < 20'000u);
        crowd[i]->grant->pass.answered(true, scene.now);
        scene.served();
    }
    BOOST_TEST(called == 20'000u);
}

BOOST_AUTO_TEST_SUITE_END()
