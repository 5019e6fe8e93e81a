// What is known of keys, and when one is tried again (contract, section 4 "Keys").
#include "streamkeeper/key_states.hpp"

#include <boost/test/unit_test.hpp>

using namespace streamkeeper;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(key_states)

namespace {

struct Keys {
    Keys() { slots = states.adopt(configured({"a", "b"})); }
    static std::vector<Key> configured(const std::vector<std::string>& secrets) {
        std::vector<Key> keys;
        for (const std::string& secret : secrets) keys.push_back({secret, Secret("sk-" + secret), {}});
        return keys;
    }
    KeyRefusal refused(int status) const { return {status, "type", "code", now}; }
    bool spare() const { return states.may_use(0, "m", false, now); }
    bool needed() const { return states.may_use(0, "m", true, now); }

    KeyStates states;
    std::vector<unsigned> slots;
    KeyStates::TimePoint now{std::chrono::hours(1000)};
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_key_that_nothing_is_known_of_may_be_used) {
    Keys keys;
    BOOST_TEST(keys.spare());
    BOOST_TEST(keys.states.may_use(99, "m", false, keys.now));
    BOOST_TEST(!keys.states.refusal(0, "m", keys.now));
    BOOST_TEST(key_state_label(keys.states.state(0)) == "usable");
}

BOOST_AUTO_TEST_CASE(a_refused_key_rests_for_a_minute_unless_it_is_needed) {
    for (const bool retire : {true, false}) {
        Keys keys;
        if (retire)
            keys.states.retire(0, keys.refused(401));
        else
            keys.states.park(0, keys.refused(402));
        BOOST_TEST(key_state_label(keys.states.state(0)) == (retire ? "retired" : "parked"));
        BOOST_TEST(keys.states.refusal(0, "m", keys.now)->status == (retire ? 401 : 402));
        BOOST_TEST(!keys.spare());
        BOOST_TEST(keys.needed());
        keys.now += 60s - 1ns;
        BOOST_TEST(!keys.spare());
        keys.now += 1ns;
        BOOST_TEST(keys.spare());
        BOOST_TEST(keys.states.may_use(1, "m", false, keys.now));
    }
}

BOOST_AUTO_TEST_CASE(the_free_try_is_one_and_does_not_lengthen_the_pause) {
    Keys keys;
    keys.states.park(0, keys.refused(402));
    keys.now += 5s;
    keys.states.tried(0, keys.now);
    BOOST_TEST(!keys.needed());
    keys.states.park(0, keys.refused(402));
    BOOST_TEST(!keys.needed());
    keys.now += 60s - 1ns;
    BOOST_TEST(!keys.needed());
    keys.now += 1ns;
    BOOST_TEST(keys.needed());
}

BOOST_AUTO_TEST_CASE(the_pause_doubles_to_ten_minutes) {
    Keys keys;
    keys.states.retire(0, keys.refused(401));
    keys.now += 1min;
    for (const auto pause : {2min, 4min, 8min, 10min, 10min}) {
        keys.states.tried(0, keys.now);
        keys.states.retire(0, keys.refused(401));
        keys.now += pause - 1ns;
        BOOST_TEST(!keys.spare());
        BOOST_TEST(!keys.needed());
        keys.now += 1ns;
        BOOST_TEST(keys.spare());
    }
}

BOOST_AUTO_TEST_CASE(a_key_that_works_is_usable_at_once_and_begins_anew) {
    Keys keys;
    keys.states.park(0, keys.refused(402));
    for (int i = 0; i < 4; ++i) {
        keys.now += 10min;
        keys.states.tried(0, keys.now);
    }
    keys.states.worked(0);
    BOOST_TEST(keys.spare());
    BOOST_TEST(!keys.states.refusal(0, "m", keys.now));
    keys.states.park(0, keys.refused(402));
    BOOST_TEST(keys.needed());
    keys.now += 1min;
    BOOST_TEST(keys.spare());
}

BOOST_AUTO_TEST_CASE(late_refusals_of_what_was_under_way_do_not_move_the_next_try) {
    Keys keys;
    keys.states.park(0, keys.refused(402));
    keys.now += 50s;
    keys.states.park(0, keys.refused(402));
    keys.now += 10s;
    BOOST_TEST(keys.spare());
}

BOOST_AUTO_TEST_CASE(one_model_is_forbidden_for_ten_minutes_and_no_other) {
    Keys keys;
    keys.states.forbid(0, "m", keys.refused(403));
    BOOST_TEST(!keys.spare());
    BOOST_TEST(!keys.needed());
    BOOST_TEST(keys.states.may_use(0, "n", false, keys.now));
    BOOST_TEST(keys.states.may_use(1, "m", false, keys.now));
    BOOST_TEST(keys.states.refusal(0, "m", keys.now)->status == 403);
    BOOST_TEST(!keys.states.refusal(0, "n", keys.now));
    BOOST_TEST(key_state_label(keys.states.state(0)) == "usable");
    keys.now += 10min - 1ns;
    BOOST_TEST(!keys.needed());
    keys.now += 1ns;
    BOOST_TEST(keys.spare());
    BOOST_TEST(!keys.states.refusal(0, "m", keys.now));
}

BOOST_AUTO_TEST_CASE(without_a_model_all_are_forbidden) {
    Keys keys;
    keys.states.forbid(0, "", keys.refused(403));
    BOOST_TEST(!keys.needed());
    BOOST_TEST(!keys.states.may_use(0, "n", true, keys.now));
    BOOST_TEST(keys.states.may_use(1, "n", false, keys.now));
}

BOOST_AUTO_TEST_CASE(no_more_than_a_bounded_number_of_models_is_remembered) {
    Keys keys;
    for (int i = 0; i < 10'000; ++i) keys.states.forbid(0, "m" + std::to_string(i), keys.refused(403));
    int remembered = 0;
    for (int i = 0; i < 10'000; ++i) remembered += !keys.states.may_use(0, "m" + std::to_string(i), false, keys.now);
    BOOST_TEST(remembered > 0);
    BOOST_TEST(remembered <= 256);
    BOOST_TEST(!keys.states.may_use(0, "m9999", false, keys.now));
}

BOOST_AUTO_TEST_CASE(a_key_keeps_its_slot_and_its_state_across_reloads) {
    Keys keys;
    keys.states.retire(0, keys.refused(401));
    const std::vector<unsigned> again = keys.states.adopt(Keys::configured({"c", "b", "a"}));
    BOOST_TEST(again == std::vector<unsigned>({2, 1, 0}), boost::test_tools::per_element());
    BOOST_TEST(!keys.spare());
    BOOST_TEST(keys.states.may_use(2, "m", false, keys.now));
    const std::vector<unsigned> twice = keys.states.adopt(Keys::configured({"a", "a"}));
    BOOST_TEST(twice == std::vector<unsigned>({0, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_upstream_without_keys_has_one_slot) {
    KeyStates states;
    BOOST_TEST(states.adopt({}).empty());
    const KeyStates::TimePoint now{std::chrono::hours(1)};
    states.forbid(0, "m", {403, "", "", now});
    BOOST_TEST(!states.may_use(0, "m", true, now));
}

BOOST_AUTO_TEST_SUITE_END()
