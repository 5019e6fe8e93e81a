// Who waits where, who goes first, and who is told that he waits in vain (contract, section 4).
#include <boost/test/unit_test.hpp>

#include "gate_scene.hpp"

using namespace streamkeeper;
using gate_scene::Scene;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(gate_waiting)

// ---- max_in_flight, and the queue's bound

BOOST_AUTO_TEST_CASE(no_more_than_max_in_flight_are_on_the_wire) {
    Scene scene;
    scene.upstream.max_in_flight = 2;
    scene.configure();
    std::optional<Pass> first = scene.go(0, "m"), second = scene.go(1, "n");
    BOOST_TEST(scene.gates.in_flight() == 2u);
    BOOST_TEST(!scene.open(2, "o"));
    scene.enter("a1");
    scene.enter("a2");
    BOOST_TEST(scene.served() == "");
    first->sent(scene.now);
    first->answered(true, scene.now);
    BOOST_TEST(scene.served() == "");  // its answer is still on its way
    const int before = scene.changes;
    first.reset();
    BOOST_TEST(scene.changes > before);
    BOOST_TEST(scene.served() == "a1");
    second.reset();
    BOOST_TEST(scene.served() == "a2");
    const std::vector<GateSnapshot> all = scene.gates.snapshot(scene.now);
    BOOST_REQUIRE(all.size() == 1u);
    BOOST_TEST(gate_cause_label(all[0].cause) == "in_flight");
    BOOST_TEST(scope_label(all[0]) == "upstream");
    scene.leave("a1");
    scene.leave("a2");
    BOOST_TEST(scene.gates.in_flight() == 0u);
    BOOST_TEST(scene.gates.snapshot(scene.now).empty());
}

BOOST_AUTO_TEST_CASE(no_more_than_queue_requests_wait) {
    Scene scene;
    scene.upstream.queue = 3;
    scene.configure();
    scene.refuse(Pass(), 0, "m", 10s);
    scene.refuse(Pass(), 0, "n", 20s);
    const std::vector<Lane> both = {Scene::lane(0, "m"), Scene::lane(0, "n")};
    for (const char* name : {"a1", "a2", "a3"}) {
        scene.enter(name, both);  // in two lines, and yet one request
        BOOST_TEST(scene.entered);
    }
    BOOST_TEST(scene.gates.waiting() == 3u);
    scene.enter("a4", both);
    BOOST_TEST(!scene.entered);
    scene.leave("a2");
    BOOST_TEST(scene.gates.waiting() == 2u);
    scene.enter("a5", both);
    BOOST_TEST(scene.entered);
    scene.pass_time(10s);
    BOOST_TEST(scene.served() == "a1");
    BOOST_TEST(scene.gates.waiting() == 2u);
    scene.leave("a3");
    scene.leave("a5");
    BOOST_TEST(scene.gates.waiting() == 0u);
}

// ---- whose turn it is

BOOST_AUTO_TEST_CASE(clients_take_turns_and_each_ones_requests_keep_their_order) {
    Scene scene;
    scene.upstream.max_in_flight = 1;
    scene.configure();
    scene.enter("x");
    BOOST_TEST(scene.served() == "x");
    for (const char* name : {"a1", "a2", "a3", "a4", "b1", "b2", "c1"}) scene.enter(name);
    std::string order;
    for (std::string last = "x"; !last.empty();) {
        scene.leave(last);
        last = scene.served();
        order += last + " ";
    }
    BOOST_TEST(order == "a1 b1 c1 a2 b2 a3 a4  ");
}

BOOST_AUTO_TEST_CASE(resumes_go_before_new_requests) {
    Scene scene;
    scene.upstream.max_in_flight = 1;
    scene.configure();
    scene.enter("x");
    BOOST_TEST(scene.served() == "x");
    const std::vector<Lane> lanes = {Scene::lane(0, "m")};
    for (const char* name : {"a1", "b1", "a2"}) scene.enter(name, lanes);
    for (const char* name : {"b7", "a8", "b9"}) scene.enter(name, lanes, TimePoint::max(), true);
    std::string order;
    for (std::string last = "x"; !last.empty();) {
        scene.leave(last);
        last = scene.served();
        order += last + " ";
    }
    BOOST_TEST(order == "b7 a8 b9 a1 b1 a2  ");
}

BOOST_AUTO_TEST_CASE(who_moves_from_one_line_to_another_keeps_his_place_by_arrival) {
    Scene scene;
    scene.upstream.max_in_flight = 1;
    scene.configure();
    scene.refuse(Pass(), 0, "m", 9s);
    std::optional<Pass> wire = scene.go(0, "n");
    for (const char* name : {"a1", "a2", "a3", "a4", "a5", "a6"}) {  // by turns at the gate and before the wire
        scene.pass_time(1s);
        scene.enter(name, {Scene::lane(0, name[1] % 2 == 1 ? "m" : "n")});
    }
    scene.pass_time(3s);
    BOOST_TEST(scene.served() == "");  // the gate has opened, but the wire is full
    wire.reset();
    std::string order;
    for (std::string last = scene.served(); !last.empty(); last = scene.served()) {
        order += last + " ";
        scene.head(last);
        scene.leave(last);
    }
    BOOST_TEST(order == "a1 a2 a3 a4 a5 a6 ");
}

BOOST_AUTO_TEST_CASE(a_crowd_is_served_in_bounded_turns) {
    Scene scene;
    scene.enter("x");
    scene.refuse(Pass(), 0, "n", 1s);
    for (int i = 0; i < 7; ++i) scene.enter("a" + std::to_string(i));
    BOOST_TEST(scene.gates.serve(scene.now, 3));
    BOOST_TEST(std::exchange(scene.called, {}) == "x a0 a1");
    BOOST_TEST(scene.gates.serve(scene.now, 3));
    BOOST_TEST(!scene.gates.serve(scene.now, 3));
    BOOST_TEST(scene.called == "a2 a3 a4 a5 a6");
}

// ---- several targets

BOOST_AUTO_TEST_CASE(a_waiter_of_several_targets_gets_the_one_that_opens_first_and_leaves_the_others) {
    Scene scene;
    scene.refuse(Pass(), 0, "m", 10s);
    scene.refuse(Pass(), 1, "m", 5s);
    const Waiter& first = scene.enter("a1", {Scene::lane(0, "m", 7), Scene::lane(1, "m", 8)});
    const Waiter& second = scene.enter("a2", {Scene::lane(0, "m", 7), Scene::lane(1, "m", 8)});
    scene.pass_time(5s);
    BOOST_TEST(scene.served() == "a1");
    BOOST_TEST(first.grant->target == 8u);
    BOOST_TEST(!first.waits());
    scene.pass_time(5s);
    BOOST_TEST(scene.served() == "a2");
    BOOST_TEST(second.grant->target == 7u);
    BOOST_TEST(scene.gates.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(a_waiter_at_several_upstreams_gets_the_one_that_opens_first) {
    Scene one, two;
    one.refuse(Pass(), 0, "m", 10s);
    two.refuse(Pass(), 0, "n", 5s);
    Waiter& waiter = one.enter("a1", {Scene::lane(0, "m", 0)});
    BOOST_TEST(two.gates.enter(waiter, {Scene::lane(0, "n", 1)}, two.now));
    BOOST_TEST(one.gates.waiting() == 1u);
    BOOST_TEST(two.gates.waiting() == 1u);
    two.pass_time(5s);
    two.served();
    BOOST_TEST(one.called == "a1");
    BOOST_TEST(waiter.grant->target == 1u);
    BOOST_TEST(one.gates.waiting() == 0u);
    BOOST_TEST(two.gates.waiting() == 0u);
    BOOST_TEST(two.gates.in_flight() == 1u);
}

BOOST_AUTO_TEST_CASE(a_request_that_waits_at_one_gate_for_two_keys_goes_with_the_key_that_is_free) {
    Scene scene;
    scene.upstream.limit_scope = LimitScope::ip;
    scene.upstream.rate_limits = {{1, 60s, LimitScope::key}};
    scene.configure();
    std::optional<Pass> used = scene.go(0, "m");
    used->sent(scene.now);
    scene.refuse(*used, 0, "m", 10s);
    used.reset();
    const Waiter& waiter = scene.enter("a1", {Scene::lane(0, "m", 0), Scene::lane(1, "m", 1)});
    scene.pass_time(10s);
    BOOST_TEST(scene.served() == "a1");  // the second key's window is free, the first one's for 50 s not
    BOOST_REQUIRE(waiter.grant.has_value());
    BOOST_TEST(waiter.grant->target == 1u);
}

BOOST_AUTO_TEST_CASE(a_request_that_waits_for_the_wire_takes_the_model_that_is_open_by_then) {
    Scene scene;
    scene.upstream.max_in_flight = 1;
    scene.configure();
    std::optional<Pass> wire = scene.go(0, "m");
    const Waiter& waiter = scene.enter("a1", {Scene::lane(0, "m", 0), Scene::lane(0, "n", 1)});
    scene.refuse(*wire, 0, "m", 50s);
    wire.reset();
    BOOST_TEST(scene.served() == "a1");
    BOOST_REQUIRE(waiter.grant.has_value());
    BOOST_TEST(waiter.grant->target == 1u);
}

// ---- who waits in vain

BOOST_AUTO_TEST_CASE(who_is_known_to_wait_in_vain_is_told_at_once) {
    Scene scene;
    scene.refuse(Pass(), 0, "m", 5s);
    scene.enter("a1", {Scene::lane(0, "m")}, scene.now + 20s);
    scene.enter("a2", {Scene::lane(0, "m")}, scene.now + 60s);
    scene.enter("b1", {Scene::lane(0, "m")}, scene.now + 20s);
    scene.enter("b2", {Scene::lane(0, "m"), Scene::lane(1, "n")}, scene.now + 20s);  // has another way
    BOOST_TEST(scene.served() == "b2");
    scene.refuse(Pass(), 1, "n", 5s);
    scene.enter("b3", {Scene::lane(0, "m"), Scene::lane(1, "n")}, scene.now + 20s);
    scene.refuse(Pass(), 0, "m", 40s);
    BOOST_TEST(std::exchange(scene.called, {}) == "!a1 !b1");
    BOOST_TEST(scene.gates.waiting() == 2u);
    scene.refuse(Pass(), 1, "n", 40s);
    BOOST_TEST(std::exchange(scene.called, {}) == "!b3");
    scene.pass_time(40s);
    BOOST_TEST(scene.served() == "a2");
}

BOOST_AUTO_TEST_CASE(a_refused_probe_tells_those_who_now_wait_in_vain) {
    Scene scene;
    scene.refuse(Pass(), 0, "m", 5s);
    for (const char* name : {"a1", "a2"}) scene.enter(name, {Scene::lane(0, "m")}, scene.now + 20s);
    scene.pass_time(5s);
    BOOST_TEST(scene.served() == "a1");
    scene.refuse(scene.pass_of("a1"), 0, "m", 30s);
    BOOST_TEST(std::exchange(scene.called, {}) == "!a2");
    BOOST_TEST(scene.gates.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(a_failing_model_tells_those_who_now_wait_in_vain) {
    Scene scene;
    scene.fail(Pass(), "m", 5);
    scene.enter("a1", {Scene::lane(0, "m")}, scene.now + 40s);
    scene.enter("a2", {Scene::lane(0, "m")}, scene.now + 40s);
    scene.pass_time(30s);
    BOOST_TEST(scene.served() == "a1");
    scene.fail(scene.pass_of("a1"), "m");
    BOOST_TEST(scene.called == "!a2");
}

BOOST_AUTO_TEST_CASE(who_comes_from_another_line_to_a_gate_that_opens_too_late_is_told_at_once) {
    Scene scene;
    scene.upstream.max_in_flight = 1;
    scene.configure();
    std::optional<Pass> wire = scene.go(0, "m");
    scene.enter("a1", {Scene::lane(0, "m")}, scene.now + 20s);
    scene.enter("a2", {Scene::lane(0, "m")}, scene.now + 60s);
    scene.refuse(*wire, 0, "m", 50s);
    wire.reset();
    BOOST_TEST(scene.served() == "!a1");
    scene.pass_time(50s);
    BOOST_TEST(scene.served() == "a2");
}

// ---- who leaves, and reloads

BOOST_AUTO_TEST_CASE(a_waiter_whose_client_leaves_costs_nothing) {
    Scene scene;
    scene.refuse(Pass(), 0, "m", 5s);
    for (const char* name : {"a1", "a2", "a3"}) scene.enter(name);
    scene.leave("a1");
    scene.leave("a2");
    BOOST_TEST(scene.gates.waiting() == 1u);
    scene.pass_time(5s);
    BOOST_TEST(scene.served() == "a3");
}

BOOST_AUTO_TEST_CASE(a_reload_keeps_gates_closed_and_their_lines) {
    Scene scene;
    scene.refuse(Pass(), 0, "m", 10s);
    scene.fail(Pass(), "n", 5);
    scene.fail(Pass(), "o", 4);
    scene.enter("a1");
    scene.upstream.queue = 100;
    scene.configure();
    BOOST_TEST(scene.closed_for(0, "m") == 10);
    BOOST_TEST(scene.closed_for(0, "n") == 30);
    scene.fail(Pass(), "o");
    BOOST_TEST(scene.closed_for(0, "o") == 30);
    scene.pass_time(10s);
    BOOST_TEST(scene.served() == "a1");
}

BOOST_AUTO_TEST_CASE(a_reload_changes_max_in_flight_and_queue) {
    Scene scene;
    scene.upstream.max_in_flight = 1;
    scene.upstream.queue = 2;
    scene.configure();
    std::optional<Pass> wire = scene.go(0, "m");
    for (const char* name : {"a1", "a2"}) scene.enter(name);
    const int before = scene.changes;
    scene.upstream.max_in_flight = 2;
    scene.upstream.queue = 1;
    scene.configure();
    BOOST_TEST(scene.changes > before);
    BOOST_TEST(scene.served() == "a1");
    scene.enter("a3");
    BOOST_TEST(!scene.entered);
    wire.reset();
    BOOST_TEST(scene.served() == "a2");
}

BOOST_AUTO_TEST_CASE(a_reload_that_changes_the_scope_strands_nobody) {
    Scene scene;
    scene.refuse(Pass(), 0, "m", 10s);
    for (const char* name : {"a1", "a2"}) scene.enter(name);
    scene.upstream.limit_scope = LimitScope::ip;
    scene.configure();
    BOOST_TEST((scene.gates.next_opening(scene.now) == scene.now + 10s));
    scene.pass_time(10s);
    BOOST_TEST(scene.served() == "a1 a2");
}

BOOST_AUTO_TEST_SUITE_END()
