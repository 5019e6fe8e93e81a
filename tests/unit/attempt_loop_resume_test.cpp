// Going on with an answer that broke after some of it was shown: how often, at whom, and when (contract, section 4;
// resumption.md, "Break to strategy"; virtual clock).
#include <boost/test/unit_test.hpp>

#include "play.hpp"

using namespace streamkeeper;
using namespace streamkeeper::play;

namespace {

/// One request whose first call was broken off. `attempts` are the calls that may follow.
struct Broken {
    Broken(const std::string& cast, unsigned attempts) : play(cast) {
        request = std::make_unique<Request>(0, "client", false, play.plan.targets, settings());
        Action first = request->loop.start(play.clock);
        BOOST_REQUIRE((first.kind == Action::Kind::send));
        sent_to(first);
        request->loop.extend(play.clock + length(240), attempts);
    }
    LoopSettings settings() {
        LoopSettings made;
        made.retry = play.retry;
        made.deadline = play.clock + length(240);
        made.uniform = [] { return 0.0; };
        made.context_window = [](const Target&) { return 0; };
        return made;
    }
    void sent_to(const Action& action) {
        const Target& to = request->targets[action.target];
        where = to.upstream->name + "/" + (to.key ? to.key->name : "-") + "/" + to.model;
        request->loop.pass().sent(play.clock);
    }
    /// What follows when the call that runs has ended with this answer: "send one/k/m", "pause 1.0", "queue",
    /// "fail reason" or "finish".
    std::string then(const std::string& answer, GoOn go_on) {
        return said(request->loop.on(read_answer(answer, false).outcome, play.clock, go_on));
    }
    std::string refused(bool another) {
        return said(request->loop.refused_way(read_answer("400", false).outcome, play.clock, another));
    }
    std::string probe(const std::string& answer) {
        const std::optional<Action> next = request->loop.after_probe(read_answer(answer, false).outcome, play.clock);
        return next ? said(*next) : "nothing";
    }
    std::string said(const Action& action) {
        switch (action.kind) {
            case Action::Kind::send: sent_to(action); return "send " + where;
            case Action::Kind::pause: until = action.until; return "pause " + shown(play.since(until) - play.now());
            case Action::Kind::queue: return "queue";
            case Action::Kind::fail: return "fail " + std::string(action.reason);
            case Action::Kind::finish: return "finish";
            case Action::Kind::refresh_models: break;
        }
        return "refresh";
    }
    std::string after_the_pause() {
        play.clock = until;
        return said(request->loop.go_on(play.clock));
    }

    Play play;
    std::unique_ptr<Request> request;
    std::string where;
    TimePoint until{};
};

constexpr GoOn same = GoOn::same_model, anew = GoOn::anew;

}  // namespace

BOOST_AUTO_TEST_SUITE(attempt_loop_resume)

BOOST_AUTO_TEST_CASE(the_first_resume_starts_at_once_and_later_ones_pause_as_retries_do) {
    Broken one("one: k / m", 3);
    one.play.retry.base = std::chrono::milliseconds(1000);
    one.request = std::make_unique<Request>(0, "client", false, one.play.plan.targets, one.settings());
    one.sent_to(one.request->loop.start(one.play.clock));
    one.request->loop.extend(one.play.clock + length(240), 3);
    BOOST_TEST(one.then("200 broken", same) == "send one/k/m");
    BOOST_TEST(one.then("200 broken", same) == "pause 1.0");
    BOOST_TEST(one.after_the_pause() == "send one/k/m");
    BOOST_TEST(one.then("200 broken", same) == "pause 2.0");
    BOOST_TEST(one.after_the_pause() == "send one/k/m");
    BOOST_TEST(one.then("200 broken", same) == "fail stream_interrupted");
}

BOOST_AUTO_TEST_CASE(as_many_calls_follow_as_the_client_allows) {
    Broken none("one: k / m", 0);
    BOOST_TEST(none.then("200 broken", same).starts_with("fail"));
    Broken once("one: k / m", 1);
    BOOST_TEST(once.then("200 broken", same) == "send one/k/m");
    BOOST_TEST(once.then("200 broken", same).starts_with("fail"));
    Broken well("one: k / m", 1);
    BOOST_TEST(well.then("200 broken", same) == "send one/k/m");
    BOOST_TEST(well.then("200", same) == "finish");
}

BOOST_AUTO_TEST_CASE(what_may_not_go_on_is_the_end) {
    for (const char* answer : {"200 broken", "200 broken inside=500"}) {
        Broken never("one: k / m", 3);
        BOOST_TEST(never.then(answer, GoOn::never).starts_with("fail"));
        Broken freely("one: k / m", 3);
        BOOST_TEST(freely.then(answer, GoOn::freely).starts_with("fail"));
    }
    Broken gone("one: k / m", 3);
    BOOST_TEST(gone.then("gone", same).starts_with("fail"));
}

BOOST_AUTO_TEST_CASE(what_was_written_by_one_model_is_not_taken_to_another) {
    Broken text("one: k / m1 m2; two: k / n", 3);
    BOOST_TEST(text.then("200 broken", same) == "send one/k/m1");
    BOOST_TEST(text.then("500", same).starts_with("pause"));
    BOOST_TEST(text.after_the_pause() == "send one/k/m1");
    BOOST_TEST(text.then("404 model", same).starts_with("fail"));
}

BOOST_AUTO_TEST_CASE(after_reasoning_another_model_may_answer) {
    Broken text("one: k / m1 m2; two: k / n", 3);
    BOOST_TEST(text.then("200 broken", anew) == "send one/k/m1");
    BOOST_TEST(text.then("404 model", anew) == "send one/k/m2");
}

BOOST_AUTO_TEST_CASE(a_refused_continuation_may_try_another_key_of_the_same_model) {
    Broken refused("one: k1 k2 / m; two: k / n", 3);
    BOOST_TEST(refused.then("200 broken", same) == "send one/k1/m");
    BOOST_TEST(refused.then("401", same) == "send one/k2/m");
    BOOST_TEST(refused.then("401", same).starts_with("fail"));
}

BOOST_AUTO_TEST_CASE(a_key_that_is_refused_inside_the_answer_is_the_last_word) {
    Broken inside("one: k1 k2 / m", 3);
    BOOST_TEST(inside.then("200 broken inside=401", same).starts_with("fail"));
}

BOOST_AUTO_TEST_CASE(a_terminal_error_inside_the_answer_is_the_last_word) {
    for (const char* word : {"inside=400 context", "inside=400 policy", "inside=402 broke", "inside=400"}) {
        for (const GoOn go_on : {same, anew}) {
            Broken inside("one: k1 k2 / m1 m2", 3);
            BOOST_TEST(inside.then(std::string("200 broken ") + word, go_on).starts_with("fail"));
        }
    }
}

BOOST_AUTO_TEST_CASE(an_error_that_may_pass_is_gone_on_from) {
    for (const char* word : {"inside=500", "inside=502", "inside=503"}) {
        Broken inside("one: k / m", 3);
        const std::string next = inside.then(std::string("200 broken ") + word, same);
        BOOST_TEST((next == "send one/k/m" || next == "queue" || next.starts_with("pause")));
    }
}

BOOST_AUTO_TEST_CASE(a_hint_inside_the_answer_is_honoured) {
    Broken hinted("one: k / m", 3);
    BOOST_TEST(hinted.then("200 broken inside=500 wait=7", same) == "pause 7.0");
    BOOST_TEST(hinted.after_the_pause() == "send one/k/m");
    Broken limited("one: k / m", 3);
    BOOST_TEST(limited.then("200 broken inside=429 wait=7", same) == "queue");
}

BOOST_AUTO_TEST_CASE(waits_cost_none_of_the_attempts) {
    Broken waits("one: k1 k2 k3 k4 / m", 1);
    BOOST_TEST(waits.then("200 broken", same) == "send one/k1/m");
    BOOST_TEST(waits.then("429 wait=9", same) == "send one/k2/m");
    BOOST_TEST(waits.then("429 wait=9", same) == "send one/k3/m");
    BOOST_TEST(waits.then("500", same).starts_with("fail"));
}

BOOST_AUTO_TEST_CASE(an_option_of_ours_that_is_refused_costs_none_of_the_attempts) {
    Broken option("one: k / m", 1);
    BOOST_TEST(option.then("200 broken", same) == "send one/k/m");
    Outcome refused = read_answer("400 usage", true).outcome;
    BOOST_TEST(option.said(option.request->loop.on(refused, option.play.clock, same)) == "send one/k/m");
}

BOOST_AUTO_TEST_CASE(a_pause_beyond_the_deadline_is_not_begun) {
    Broken late("one: k / m", 3);
    late.request->loop.extend(late.play.clock + length(5), 3);
    BOOST_TEST(late.then("200 broken inside=500 wait=7", same).starts_with("fail"));
}

BOOST_AUTO_TEST_CASE(another_way_to_go_on_begins_at_once_while_attempts_are_left) {
    Broken other("one: k / m", 2);
    BOOST_TEST(other.then("200 broken", same) == "send one/k/m");
    BOOST_TEST(other.refused(true) == "send one/k/m");
    BOOST_TEST(other.request->loop.ended_reason() == "bad_request");
    BOOST_TEST(other.refused(true) == "fail stream_interrupted");
}

BOOST_AUTO_TEST_CASE(a_wish_of_ours_that_is_refused_is_not_what_ends_the_request) {
    Broken closed("one: k / m", 3);
    BOOST_TEST(closed.then("200 broken", same) == "send one/k/m");
    BOOST_TEST(closed.refused(false) == "fail stream_interrupted");
    BOOST_REQUIRE(closed.request->loop.last());
    BOOST_TEST(closed.request->loop.last()->status == 200);
}

BOOST_AUTO_TEST_CASE(a_probe_that_fails_is_paused_for_and_made_again_but_not_for_ever) {
    Broken probed("one: k / m", 3);
    BOOST_TEST(probed.then("200 broken", same) == "send one/k/m");
    BOOST_TEST(probed.probe("503") == "pause 0.5");
    BOOST_TEST(probed.after_the_pause() == "send one/k/m");
    BOOST_TEST(probed.probe("closed") == "pause 1.0");
    BOOST_TEST(probed.after_the_pause() == "send one/k/m");
    BOOST_TEST(probed.probe("503") == "nothing");
    BOOST_TEST(probed.said(probed.request->loop.give_up(probed.play.clock)) == "fail stream_interrupted");
}

BOOST_AUTO_TEST_CASE(a_probe_waits_at_gates_and_leaves_refused_keys_as_every_call) {
    Broken probed("one: k l / m", 3);
    BOOST_TEST(probed.then("200 broken", same) == "send one/k/m");
    BOOST_TEST(probed.probe("402") == "send one/l/m");
    BOOST_TEST(probed.probe("429 wait=5") == "queue");
    Broken well("one: k / m", 3);
    BOOST_TEST(well.then("200 broken", same) == "send one/k/m");
    BOOST_TEST(well.probe("200") == "nothing");
    BOOST_TEST(well.said(well.request->loop.once_more(well.play.clock)) == "send one/k/m");
}

BOOST_AUTO_TEST_CASE(a_probe_costs_no_attempt) {
    Broken probed("one: k / m", 1);
    BOOST_TEST(probed.then("200 broken", same) == "send one/k/m");
    BOOST_TEST(probed.probe("429 wait=0").starts_with("queue"));
}

BOOST_AUTO_TEST_CASE(a_pass_spent_on_a_probe_is_asked_for_once_more) {
    Broken probed("one: k / m", 1);
    BOOST_TEST(probed.then("200 broken", same) == "send one/k/m");
    BOOST_TEST(probed.said(probed.request->loop.once_more(probed.play.clock)) == "send one/k/m");
    BOOST_TEST(probed.said(probed.request->loop.give_up(probed.play.clock)).starts_with("fail"));
}

BOOST_AUTO_TEST_CASE(a_break_after_output_says_nothing_against_the_model) {
    Broken broken("one: k / m", 9);
    for (int i = 0; i < 8; ++i) {
        const std::string next = broken.then("200 broken", same);
        if (next.starts_with("pause")) BOOST_TEST(broken.after_the_pause() == "send one/k/m");
    }
}

BOOST_AUTO_TEST_CASE(gates_let_resumes_pass_first) {
    Play play("one: k / m");
    play.answers("one/k/m", {"429 wait=5", "200 lasts=1", "200"});
    play.begin("first");
    play.pass(1);
    play.begin("second");
    play.begin("third", true);  // came last, and goes on with an answer
    play.run();
    std::string order;
    for (const Call& call : play.calls) order += std::to_string(call.request) + " ";
    BOOST_TEST(order == "0 2 0 1 ");
}

BOOST_AUTO_TEST_SUITE_END()
