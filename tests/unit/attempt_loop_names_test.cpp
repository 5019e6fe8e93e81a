// Names that an upstream does not know (contract, section 2 `model_names`; errors.md, R7b).
#include <boost/test/unit_test.hpp>

#include "play.hpp"

using streamkeeper::ModelNames;
using streamkeeper::play::Play;

BOOST_AUTO_TEST_SUITE(attempt_loop_names)

BOOST_AUTO_TEST_CASE(a_misspelt_model_is_corrected_and_the_correction_is_remembered) {
    for (const std::string asked : {"gpt4o", "GPT-4o", "gpt_4o", "gpt 4o", "g.p.t.4.O"}) {
        Play play("one: k / x");
        play.plan.targets.front().model = asked;
        play.listed = {"gpt-4o", "gpt-4.1"};
        play.answers("one/k/" + asked, {"404 model"});
        BOOST_TEST(play.ask() == "one/k/" + asked + " 404 model, list, one/k/gpt-4o 200");
        BOOST_TEST(play.traffic("one").corrected.at(asked) == "gpt-4o");
        BOOST_TEST(play.fallback == "");
    }
}

BOOST_AUTO_TEST_CASE(the_right_name_is_the_right_one_for_all_keys) {
    Play play("one: k1 k2 / gpt4o");
    play.listed = {"gpt-4o"};
    play.answers("one/k1/gpt4o", {"404 model"});
    play.answers("one/k1/gpt-4o", {"401"});
    BOOST_TEST(play.ask() == "one/k1/gpt4o 404 model, list, one/k1/gpt-4o 401, one/k2/gpt-4o 200");
}

BOOST_AUTO_TEST_CASE(exact_tries_no_other_name) {
    Play play("one: k / gpt4o");
    play.model_names = ModelNames::exact;
    play.listed = {"gpt-4o"};
    play.answers("one/k/gpt4o", {"404 model"});
    BOOST_TEST(play.ask() == "one/k/gpt4o 404 model, list -> 404 model_not_found");
    BOOST_TEST(play.ended->hint == "Did you mean gpt-4o?");
    BOOST_TEST(play.traffic("one").corrected.empty());
}

BOOST_AUTO_TEST_CASE(a_name_that_could_mean_two_models_is_not_corrected) {
    Play play("one: k / gpt41 b");
    play.listed = {"gpt-4.1", "gpt-41"};
    play.answers("one/k/gpt41", {"404 model"});
    BOOST_TEST(play.ask() == "one/k/gpt41 404 model, list, one/k/b 200");
    BOOST_TEST(play.fallback == "model_not_found");
    play.listed = {"gpt-4.1", "gpt-4.1"};  // the same one, listed twice
    BOOST_TEST(play.ask() == "one/k/gpt41 404 model, list, one/k/gpt-4.1 200");
}

BOOST_AUTO_TEST_CASE(a_name_that_is_listed_as_it_was_asked_is_sent_once_more) {
    Play play("one: k1 k2 / m b");
    play.listed = {"m", "M", "b"};
    play.answers("one/k1/m", {"404 model", "200"});
    BOOST_TEST(play.ask() == "one/k1/m 404 model, list, one/k1/m 200");
    BOOST_TEST(play.traffic("one").corrected.empty());
    play.answers("one/k1/m", {"404 model"});
    BOOST_TEST(play.ask() == "one/k1/m 404 model, list, one/k1/m 404 model, one/k1/b 200");
}

BOOST_AUTO_TEST_CASE(a_corrected_name_that_is_refused_too_falls_back) {
    Play play("one: k1 k2 / gpt4o b");
    play.listed = {"gpt-4o"};
    play.answers("one/k1/gpt4o", {"404 model"});
    play.answers("one/k1/gpt-4o", {"404 model"});
    BOOST_TEST(play.ask() == "one/k1/gpt4o 404 model, list, one/k1/gpt-4o 404 model, one/k1/b 200");
}

BOOST_AUTO_TEST_CASE(an_unknown_model_fails_with_the_nearest_names) {
    Play play("one: k1 k2 / gpt-5o");
    play.listed = {"gpt-4o", "claude", "gpt-5", "o3"};
    play.answers("one/k1/gpt-5o", {"404 model"});
    BOOST_TEST(play.ask() == "one/k1/gpt-5o 404 model, list -> 404 model_not_found");
    BOOST_TEST(play.ended->hint == "Did you mean gpt-4o, gpt-5 or o3?");
}

BOOST_AUTO_TEST_CASE(an_unknown_model_falls_back_before_it_fails) {
    Play play("one: k / gpt-5o; two: k / claude");
    play.listed = {"gpt-4o"};
    play.answers("one/k/gpt-5o", {"404 model"});
    BOOST_TEST(play.ask() == "one/k/gpt-5o 404 model, list, two/k/claude 200");
    BOOST_TEST(play.fallback == "model_not_found");
}

BOOST_AUTO_TEST_CASE(without_a_list_nothing_is_corrected) {
    Play play("one: k / gpt4o b");
    play.answers("one/k/gpt4o", {"404 model"});
    BOOST_TEST(play.ask() == "one/k/gpt4o 404 model, list, one/k/b 200");
    play.answers("one/k/b", {"404 model"});
    BOOST_TEST(play.ask() == "one/k/gpt4o 404 model, list, one/k/b 404 model, list -> 404 model_not_found");
    BOOST_TEST(play.ended->hint.starts_with("The upstream does not know this model"));
}

BOOST_AUTO_TEST_CASE(the_names_of_one_model_are_no_hint_for_another_ones_failure) {
    Play play("one: k / gpt-5o b");
    play.listed = {"gpt-4o"};
    play.answers("one/k/gpt-5o", {"404 model"});
    play.answers("one/k/b", {"500 no-retry"});
    BOOST_TEST(play.ask() == "one/k/gpt-5o 404 model, list, one/k/b 500 no-retry -> 500");
    BOOST_TEST(play.ended->hint.find("gpt-4o") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_list_is_not_asked_for_when_no_attempt_is_left) {
    Play play("one: k / gpt4o");
    play.retry.attempts = 1;
    play.listed = {"gpt-4o"};
    play.answers("one/k/gpt4o", {"404 model"});
    BOOST_TEST(play.ask() == "one/k/gpt4o 404 model -> 404 model_not_found");
}

BOOST_AUTO_TEST_CASE(a_wrong_path_is_no_missing_model) {
    Play play("one: k / m");
    play.listed = {"m"};
    play.answers("one/k/m", {"404"});
    BOOST_TEST(play.ask() == "one/k/m 404 -> 404");
}

BOOST_AUTO_TEST_SUITE_END()
