#include "streamkeeper/budget.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <vector>

using namespace streamkeeper;
namespace {
constexpr BudgetKind bodies = BudgetKind::bodies, held = BudgetKind::held;
}

BOOST_AUTO_TEST_SUITE(budget_test)

BOOST_AUTO_TEST_CASE(one_sum_bounds_all_kinds_and_each_is_counted) {
    Budget budget(100);
    BOOST_TEST(budget.try_take(bodies, 60));
    BOOST_TEST(!budget.try_take(held, 41));
    BOOST_TEST(budget.try_take(held, 40));
    BOOST_TEST(budget.used(bodies) == 60u);
    BOOST_TEST(budget.used(held) == 40u);
    BOOST_TEST(budget.used(BudgetKind::transcripts) == 0u);
    budget.give_back(bodies, 60);
    BOOST_TEST(budget.used(bodies) == 0u);
    BOOST_TEST(budget.try_take(held, 60));
}

BOOST_AUTO_TEST_CASE(who_does_not_fit_waits_in_line_and_nobody_overtakes) {
    Budget budget(100);
    BOOST_TEST(budget.try_take(bodies, 100));
    std::string order;
    budget.wait(bodies, 90, [&] { order += "a"; });
    budget.wait(bodies, 5, [&] { order += "b"; });
    budget.wait(held, 50, [&] { order += "c"; });
    BOOST_TEST(!budget.try_take(bodies, 1));
    budget.give_back(bodies, 50);
    BOOST_TEST(order == "");
    BOOST_TEST(!budget.try_take(bodies, 1));  // there is room, but others were here first
    budget.give_back(bodies, 50);
    BOOST_TEST(order == "ab");
    budget.give_back(bodies, 95);
    BOOST_TEST(order == "abc");
    BOOST_TEST(budget.used(held) == 50u);
    BOOST_TEST(budget.used(bodies) == 0u);
}

BOOST_AUTO_TEST_CASE(who_leaves_the_line_lets_the_next_one_go) {
    Budget budget(100);
    BOOST_TEST(budget.try_take(bodies, 50));
    std::string order;
    const Budget::Ticket large = budget.wait(bodies, 90, [&] { order += "a"; });
    budget.wait(bodies, 50, [&] { order += "b"; });
    budget.leave(large);
    BOOST_TEST(order == "b");
    budget.leave(large);
    BOOST_TEST(budget.used(bodies) == 100u);
}

BOOST_AUTO_TEST_CASE(a_reload_with_more_memory_serves_the_line_and_one_with_less_blocks_nobody_for_ever) {
    Budget budget(100);
    BOOST_TEST(budget.try_take(bodies, 80));
    bool granted = false;
    budget.wait(bodies, 90, [&] { granted = true; });
    budget.resize(50);
    BOOST_TEST(!granted);
    budget.give_back(bodies, 80);
    BOOST_TEST(granted);  // larger than all there is now, but alone
    budget.give_back(bodies, 90);
    BOOST_TEST(!budget.try_take(bodies, 51));
    bool second = false;
    BOOST_TEST(budget.try_take(bodies, 50));
    budget.wait(bodies, 50, [&] { second = true; });
    budget.resize(100);
    BOOST_TEST(second);
}

BOOST_AUTO_TEST_CASE(a_granted_waiter_may_give_back_and_wait_again_at_once) {
    Budget budget(10);
    BOOST_TEST(budget.try_take(bodies, 10));
    std::string order;
    budget.wait(bodies, 10, [&] {
        order += "a";
        budget.wait(bodies, 10, [&] { order += "c"; });
        budget.give_back(bodies, 10);
    });
    budget.wait(bodies, 10, [&] {
        order += "b";
        budget.give_back(bodies, 10);
    });
    budget.give_back(bodies, 10);
    BOOST_TEST(order == "abc");
    BOOST_TEST(budget.used(bodies) == 10u);
}

BOOST_AUTO_TEST_CASE(a_reservation_gives_back_what_it_holds_once) {
    Budget budget(100);
    {
        BOOST_TEST(budget.try_take(bodies, 70));
        Reservation first(budget, bodies, 70);
        first.shrink(40);
        first.shrink(60);
        BOOST_TEST(first.bytes() == 40u);
        BOOST_TEST(budget.used(bodies) == 40u);
        Reservation second(std::move(first));
        BOOST_TEST(second.bytes() == 40u);
        Reservation third;
        BOOST_TEST(third.grow(budget, held, 30));
        BOOST_TEST(!third.grow(budget, held, 31));
        BOOST_TEST(third.bytes() == 30u);
        third = std::move(second);
        BOOST_TEST(budget.used(held) == 0u);
        BOOST_TEST(budget.used(bodies) == 40u);
    }
    BOOST_TEST(budget.used(bodies) == 0u);
    BOOST_TEST(budget.used(held) == 0u);
}

BOOST_AUTO_TEST_CASE(whatever_happens_the_sum_never_exceeds_the_total_and_everybody_is_served) {
    std::mt19937 random(3);
    Budget budget(1000);
    std::vector<Bytes> taken;
    std::size_t asked = 0, granted = 0;
    for (int i = 0; i < 20'000; ++i) {
        const Bytes bytes = 1 + random() % 500;
        if (random() % 2 == 0) {
            ++asked;
            if (budget.try_take(bodies, bytes))
                ++granted, taken.push_back(bytes);
            else
                budget.wait(bodies, bytes, [&, bytes] { ++granted, taken.push_back(bytes); });
        } else if (!taken.empty()) {
            const Bytes back = taken.back();
            taken.pop_back();
            budget.give_back(bodies, back);
        }
        BOOST_TEST_REQUIRE(budget.used(bodies) <= 1000u);
    }
    while (!taken.empty()) {
        const Bytes back = taken.back();
        taken.pop_back();
        budget.give_back(bodies, back);
    }
    BOOST_TEST(granted == asked);
    BOOST_TEST(budget.used(bodies) == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
