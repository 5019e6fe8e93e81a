// Five failures in a row of one model close it (contract, section 4).
#include <boost/test/unit_test.hpp>

#include "gate_scene.hpp"
#include "play.hpp"

using namespace streamkeeper;
using gate_scene::Scene;
using play::Play;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(gate_failing)

BOOST_AUTO_TEST_CASE(five_failures_in_a_row_close_a_model_for_all_keys) {
    Scene scene;
    scene.fail(Pass(), "m", 4);
    BOOST_TEST(scene.open(0, "m"));
    scene.fail(Pass(), "m");
    BOOST_TEST(!scene.open(0, "m"));
    BOOST_TEST(!scene.open(1, "m"));
    BOOST_TEST(scene.open(0, "n"));
    BOOST_TEST(scene.closed_for(0, "m") == 30);
}

BOOST_AUTO_TEST_CASE(a_success_between_them_starts_the_count_anew) {
    Scene scene;
    scene.fail(Pass(), "m", 4);
    scene.gates.succeed(Scene::lane(1, "m"));
    scene.fail(Pass(), "m", 4);
    BOOST_TEST(scene.open(0, "m"));
    scene.gates.succeed(Scene::lane(1, "n"));
    scene.fail(Pass(), "m");
    BOOST_TEST(!scene.open(0, "m"));
}

BOOST_AUTO_TEST_CASE(it_stays_closed_for_30_s_more_each_time_up_to_300_s) {
    Scene scene;
    scene.fail(Pass(), "m", 5);
    for (int n = 1; n <= 12; ++n) {
        BOOST_TEST(scene.closed_for(0, "m") == std::min(30 * n, 300));
        scene.pass_time(std::chrono::seconds(std::min(30 * n, 300)));
        const std::optional<Pass> probe = scene.go(0, "m");
        BOOST_TEST(!scene.open(0, "m"));
        scene.fail(*probe, "m");
    }
    scene.pass_time(300s);
    std::optional<Pass> probe = scene.go(0, "m");
    probe->answered(true, scene.now);
    scene.gates.succeed(Scene::lane(0, "m"));
    scene.fail(Pass(), "m", 4);
    BOOST_TEST(scene.open(0, "m"));
    scene.fail(Pass(), "m");
    BOOST_TEST(scene.closed_for(0, "m") == 30);
}

BOOST_AUTO_TEST_CASE(failures_of_what_was_under_way_before_change_nothing) {
    Scene scene;
    const std::optional<Pass> before = scene.go(0, "m");
    scene.fail(Pass(), "m", 5);
    scene.pass_time(10s);
    scene.fail(*before, "m", 20);
    BOOST_TEST(scene.closed_for(0, "m") == 20);
    scene.pass_time(20s);
    scene.fail(*before, "m", 20);
    const std::optional<Pass> probe = scene.go(0, "m");
    BOOST_TEST(probe.has_value());
    scene.fail(*probe, "m");
    BOOST_TEST(scene.closed_for(0, "m") == 60);
}

BOOST_AUTO_TEST_CASE(a_failing_model_opens_by_the_same_ramp) {
    Scene scene;
    scene.fail(Pass(), "m", 5);
    for (int i = 0; i < 9; ++i) scene.enter("a" + std::to_string(i));
    scene.pass_time(30s);
    BOOST_TEST(scene.served() == "a0");
    scene.head("a0");
    scene.gates.succeed(Scene::lane(0, "m"));
    scene.leave("a0");
    BOOST_TEST(scene.served() == "a1 a2");
    scene.head("a1");
    scene.gates.succeed(Scene::lane(0, "m"));
    BOOST_TEST(scene.served() == "a3 a4 a5");
    scene.fail(scene.pass_of("a2"), "m");
    BOOST_TEST(scene.served() == "");
    BOOST_TEST(scene.closed_for(0, "m") == 60);
}

BOOST_AUTO_TEST_CASE(the_success_of_what_was_under_way_before_lets_nobody_in_early) {
    Scene scene;
    const std::optional<Pass> before = scene.go(0, "m");
    scene.fail(Pass(), "m", 5);
    scene.gates.succeed(Scene::lane(0, "m"));
    BOOST_TEST(!scene.open(0, "m"));
    BOOST_TEST(scene.closed_for(0, "m") == 30);
}

// ---- what counts

BOOST_AUTO_TEST_CASE(server_and_network_failures_count) {
    for (const std::string failure : {"500", "502", "503", "504", "520", "refused", "timeout", "closed", "dns",
                                      "handshake", "200 inside=500", "502 html", "503 no-retry", "503 capacity"}) {
        Play play("one: k / m");
        play.deadline = 0;
        play.answers("one/k/m", {failure});
        for (int i = 0; i < 5; ++i) play.ask();
        play.ask();
        BOOST_TEST(play.calls.size() == 5u, failure);
        BOOST_TEST(play.ended->code == "upstream_failing", failure);
        BOOST_TEST(play.ended->status == 503);
        BOOST_TEST((play.ended->retry_after == 30), failure);
    }
}

BOOST_AUTO_TEST_CASE(what_the_request_the_key_or_a_limit_is_to_blame_for_does_not_count) {
    for (const std::string failure :
         {"400", "401", "403", "404", "408", "409", "422", "404 model", "400 context", "400 policy", "429 no-retry",
          "certificate", "proxy", "200 html", "200 broken", "gone", "501", "503 model", "200 inside=400"}) {
        Play play("one: / m");
        play.deadline = 0;
        play.answers("one/-/m", {failure});
        for (int i = 0; i < 12; ++i) play.ask();
        BOOST_TEST(play.calls.size() == 12u, failure);
    }
}

BOOST_AUTO_TEST_CASE(failures_of_several_requests_count_together) {
    Play play("one: k / m");
    play.deadline = 0;
    play.answers("one/k/m", {"500 slow=1"});
    for (int i = 0; i < 5; ++i) play.begin();
    play.run();
    BOOST_TEST(play.ask() == "-> 503 upstream_failing retry-after=30");
}

BOOST_AUTO_TEST_CASE(neither_429_nor_4xx_ends_a_row_of_failures) {
    Play play("one: / m");
    play.deadline = 0;
    play.answers("one/-/m", {"500", "400", "500", "500", "404", "500", "500"});
    for (int i = 0; i < 7; ++i) play.ask();
    BOOST_TEST(play.ask() == "-> 503 upstream_failing retry-after=30");
}

BOOST_AUTO_TEST_CASE(pass_through_neither_counts_nor_waits) {
    Play play("one: k / m");
    play.deadline = 0;
    play.pass_through = true;
    play.replayable = false;
    play.answers("one/k/m", {"500"});
    for (int i = 0; i < 12; ++i) play.ask();
    BOOST_TEST(play.calls.size() == 12u);
    play.pass_through = false;
    play.replayable = true;
    for (int i = 0; i < 5; ++i) play.ask();
    BOOST_TEST(play.ask() == "-> 503 upstream_failing retry-after=30");
    play.pass_through = true;
    play.answers("one/k/m", {"200"});
    BOOST_TEST(play.ask() == "one/k/m 200");
    play.pass_through = false;
    BOOST_TEST(play.ask() == "-> 503 upstream_failing retry-after=30");
}

BOOST_AUTO_TEST_CASE(a_failing_model_is_waited_for_or_passed_over) {
    Play play("one: k / m; two: k / n");
    play.deadline = 0;
    play.answers("one/k/m", {"500", "500", "500", "500", "500", "200"});
    play.plan.targets.pop_back();
    for (int i = 0; i < 5; ++i) play.ask();
    play.deadline = 100;
    BOOST_TEST(play.ask() == "wait failing 30.0, one/k/m 200");
}

BOOST_AUTO_TEST_SUITE_END()
