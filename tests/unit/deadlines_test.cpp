#include "streamkeeper/deadlines.hpp"

#include <boost/test/unit_test.hpp>

using namespace streamkeeper;
using namespace std::chrono_literals;
namespace {

/// A clock that stands until it is moved.
struct VirtualClock {
    Deadlines::TimePoint now{1000h};
    Deadlines deadlines;
    void set(Deadline which, Duration after) { deadlines.set(which, now, after); }
    bool passed(Deadline which) const { return deadlines.passed(now) == which; }
    bool quiet() const { return !deadlines.passed(now).has_value(); }
    void move(Duration by) { now += by; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(deadlines_test)

BOOST_AUTO_TEST_CASE(a_deadline_passes_at_its_moment_and_not_before) {
    VirtualClock clock;
    clock.set(Deadline::first_byte, 300ms);
    clock.move(299ms);
    BOOST_TEST(clock.quiet());
    clock.move(1ms);
    BOOST_TEST(clock.passed(Deadline::first_byte));
}

BOOST_AUTO_TEST_CASE(a_deadline_that_passed_stays_passed_until_it_is_moved) {
    VirtualClock clock;
    clock.set(Deadline::stream_idle, 1s);
    clock.move(1h);
    for (int sweep = 0; sweep < 3; ++sweep) BOOST_TEST(clock.passed(Deadline::stream_idle));
    clock.set(Deadline::stream_idle, 1s);
    BOOST_TEST(clock.quiet());
    clock.move(1s);
    BOOST_TEST(clock.passed(Deadline::stream_idle));
    clock.deadlines.clear(Deadline::stream_idle);
    BOOST_TEST(clock.quiet());
}

BOOST_AUTO_TEST_CASE(the_earliest_of_several_is_named_first) {
    VirtualClock clock;
    clock.set(Deadline::total, 3s);
    clock.set(Deadline::connect, 1s);
    clock.set(Deadline::client_body, 2s);
    clock.move(5s);
    BOOST_TEST(clock.passed(Deadline::connect));
    clock.deadlines.clear(Deadline::connect);
    BOOST_TEST(clock.passed(Deadline::client_body));
    clock.deadlines.clear(Deadline::client_body);
    BOOST_TEST(clock.passed(Deadline::total));
}

BOOST_AUTO_TEST_CASE(bytes_push_only_the_deadline_they_belong_to) {
    VirtualClock clock;
    clock.set(Deadline::stream_progress, 10s);
    for (int byte = 0; byte < 9; ++byte) {
        clock.set(Deadline::stream_idle, 2s);
        clock.move(1s);
        BOOST_TEST(clock.quiet());
    }
    clock.set(Deadline::stream_idle, 2s);
    clock.move(1s);
    BOOST_TEST(clock.passed(Deadline::stream_progress));
}

BOOST_AUTO_TEST_CASE(off_never_passes) {
    VirtualClock clock;
    clock.set(Deadline::total, no_limit);
    BOOST_TEST(!clock.deadlines.has(Deadline::total));
    clock.now = Deadlines::TimePoint::max() - 1ns;
    BOOST_TEST(clock.quiet());
}

BOOST_AUTO_TEST_CASE(every_deadline_is_kept_apart_and_cleared_together) {
    const Deadline first = Deadline::client_head, last = Deadline::linger;
    for (int i = static_cast<int>(first); i <= static_cast<int>(last); ++i) {
        const Deadline which = static_cast<Deadline>(i);
        VirtualClock clock;
        clock.set(which, 5ms);
        BOOST_TEST(clock.deadlines.has(which));
        clock.move(5ms);
        BOOST_TEST(clock.passed(which));
        clock.deadlines.clear_all();
        BOOST_TEST(!clock.deadlines.has(which));
        BOOST_TEST(clock.quiet());
    }
}

BOOST_AUTO_TEST_SUITE_END()
