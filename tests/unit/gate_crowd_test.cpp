// Ten thousand requests at one gate: what they cost is counted in looks (places taken out of a line) and bytes.
#include <malloc.h>

#include <boost/test/unit_test.hpp>
#include <deque>

#include "gate_scene.hpp"

using namespace streamkeeper;
using gate_scene::Scene;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(gate_crowd)

namespace {

constexpr std::size_t many = 10'000;

struct Crowd : Scene {
    Crowd() {
        upstream.queue = upstream.max_in_flight = 1'000'000;
        configure();
    }
    void arrive(std::size_t count, const std::vector<Lane>& lanes, TimePoint deadline = TimePoint::max()) {
        for (; count > 0; --count) {
            now += 1us;
            Waiter& made =
                guests.emplace_back("client " + std::to_string(guests.size() % 10), false, deadline,
                                    [this, i = guests.size()] { (guests[i].hopeless ? told : gone).push_back(i); });
            BOOST_REQUIRE(gates.enter(made, lanes, now));
        }
    }
    /// Serves one place at a time, as long as there is one to look at.
    void serve() {
        while (gates.serve(now, 1)) ++looks;
        ++looks;
    }
    /// Everybody who was let go is answered with 200, one after another.
    void answer_all() {
        for (serve(); !gone.empty(); serve()) {
            Pass& pass = guests[gone.front()].grant->pass;
            pass.sent(now);
            pass.answered(true, now);
            pass.give_back();
            gone.pop_front();
            ++answered;
        }
    }

    std::deque<Waiter> guests;
    std::deque<std::size_t> gone, told;
    std::size_t looks = 0, answered = 0;
};

std::size_t bytes_in_use() { return mallinfo2().uordblks; }

}  // namespace

BOOST_AUTO_TEST_CASE(each_one_who_waits_is_looked_at_once) {
    Crowd crowd;
    crowd.refuse(Pass(), 0, "m", 1h);
    crowd.arrive(many, {Scene::lane(0, "m")});
    BOOST_TEST(crowd.gates.waiting() == many);
    crowd.serve();
    BOOST_TEST(crowd.looks == 1u);
    crowd.refuse(Pass(), 0, "m", 2h);
    crowd.pass_time(2h);
    crowd.looks = 0;
    crowd.answer_all();
    BOOST_TEST(crowd.answered == many);
    BOOST_TEST(crowd.looks <= 2 * many + 2);  // once for each that went, once for each head that changed nothing
}

BOOST_AUTO_TEST_CASE(a_closing_that_outlasts_everybody_tells_each_one_once) {
    Crowd crowd;
    crowd.refuse(Pass(), 0, "m", 10s);
    crowd.arrive(many, {Scene::lane(0, "m")}, crowd.now + 60s);
    crowd.arrive(10, {Scene::lane(0, "m")});
    crowd.refuse(Pass(), 0, "m", 70s);
    BOOST_TEST(crowd.told.size() == many);
    BOOST_TEST(crowd.gates.waiting() == 10u);
    crowd.serve();
    BOOST_TEST(crowd.looks == 1u);
}

BOOST_AUTO_TEST_CASE(those_who_leave_are_never_looked_at) {
    Crowd crowd;
    crowd.refuse(Pass(), 0, "m", 10s);
    crowd.arrive(many, {Scene::lane(0, "m")});
    for (std::size_t i = 0; i < many; ++i)
        if (i % 1000 != 7) crowd.guests[i].leave();
    BOOST_TEST(crowd.gates.waiting() == many / 1000);
    crowd.pass_time(10s);
    crowd.answer_all();
    BOOST_TEST(crowd.answered == many / 1000);
    BOOST_TEST(crowd.looks <= 2 * many / 1000 + 2);
}

BOOST_AUTO_TEST_CASE(a_gate_and_a_window_in_a_row_cost_a_few_looks_each) {
    Crowd crowd;
    crowd.upstream.rate_limits = {{100, 60s, LimitScope::key}};
    crowd.configure();
    for (int i = 0; i < 100; ++i) {
        std::optional<Pass> pass = crowd.go(0, "other");
        pass->sent(crowd.now);
        pass->answered(true, crowd.now);
    }
    crowd.refuse(Pass(), 0, "m", 30s);
    crowd.arrive(many, {Scene::lane(0, "m")});
    crowd.pass_time(30s);
    while (crowd.answered < many) {
        crowd.answer_all();
        const TimePoint next = crowd.gates.next_opening(crowd.now);
        BOOST_REQUIRE((next != TimePoint::max() || crowd.answered == many));
        crowd.now = std::max(crowd.now, next == TimePoint::max() ? crowd.now : next);
    }
    BOOST_TEST(crowd.looks <= 6 * many);
}

BOOST_AUTO_TEST_CASE(a_crowd_that_leaves_one_line_for_another_keeps_its_order) {
    Crowd crowd;
    crowd.upstream.max_in_flight = 1;
    crowd.configure();
    std::optional<Pass> wire = crowd.go(0, "n");
    crowd.refuse(Pass(), 0, "m", 10s);
    for (std::size_t i = 0; i < many / 100; ++i) {
        crowd.arrive(40, {Scene::lane(0, "m")});
        crowd.arrive(60, {Scene::lane(0, "n")});
    }
    crowd.pass_time(10s);
    crowd.serve();
    BOOST_TEST(crowd.looks <= many);
    wire.reset();
    std::vector<std::size_t> latest(10, 0);
    for (crowd.serve(); !crowd.gone.empty(); crowd.serve()) {
        const std::size_t one = crowd.gone.front();
        BOOST_REQUIRE(one >= latest[one % 10]);
        latest[one % 10] = one;
        crowd.gone.pop_front();
        crowd.guests[one].grant->pass.answered(true, crowd.now);
        crowd.guests[one].grant->pass.give_back();
        ++crowd.answered;
    }
    BOOST_TEST(crowd.answered == many);
}

BOOST_AUTO_TEST_CASE(one_who_waits_costs_little_memory) {
    Crowd crowd;
    crowd.refuse(Pass(), 0, "m", 10s);
    crowd.refuse(Pass(), 1, "m", 10s);
    const std::size_t before = bytes_in_use();
    crowd.arrive(many, {Scene::lane(0, "m"), Scene::lane(1, "m")});
    const std::size_t each = (bytes_in_use() - before) / many;
    BOOST_TEST_MESSAGE("bytes for each who waits at two gates: " << each);
    BOOST_TEST(each < 1024u);
    for (Waiter& guest : crowd.guests) guest.leave();
    BOOST_TEST(crowd.gates.waiting() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
