#include <boost/test/unit_test.hpp>

#include "streamkeeper/continuation.hpp"

using namespace streamkeeper;

namespace {

using namespace std::chrono_literals;

constexpr Endpoint chat = Endpoint::chat_completions, messages = Endpoint::messages;
const TimePoint start = TimePoint() + 1000h;

struct Scene {
    Capabilities capabilities;
    Resume resume;

    /// `prefill seam`, with a question mark if it is doubtful.
    std::string at(Endpoint endpoint, const std::string& kind = "chat", TimePoint now = start) const {
        static constexpr std::string_view prefills[] = {"none", "trailing", "prefix", "partial", "final"};
        static constexpr std::string_view seams[] = {"exact", "echo", "unknown"};
        const Continuable result = continuable(endpoint, resume, capabilities, "m", kind, now);
        std::string text(prefills[static_cast<std::size_t>(result.prefill)]);
        if (result.prefill == Prefill::none) {
            BOOST_CHECK(result.seam == Seam::unknown && !result.doubtful);
            return text;
        }
        return text.append(" ").append(seams[static_cast<std::size_t>(result.seam)]).append(result.doubtful ? "?" : "");
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(capabilities)

BOOST_AUTO_TEST_CASE(without_knowledge_a_bare_message_is_to_be_probed) {
    const Scene scene;
    BOOST_CHECK_EQUAL(scene.at(chat), "trailing unknown");
    BOOST_CHECK_EQUAL(scene.at(messages), "trailing unknown");
    BOOST_CHECK_EQUAL(scene.at(Endpoint::responses), "none");
    BOOST_CHECK_EQUAL(scene.at(Endpoint::embeddings), "none");
    BOOST_CHECK_EQUAL(scene.at(Endpoint::other), "none");
}

BOOST_AUTO_TEST_CASE(a_presets_word_is_doubtful) {
    Scene scene;
    scene.resume.preset.prefill = Prefill::partial;
    BOOST_CHECK_EQUAL(scene.at(chat), "partial unknown");
    scene.resume.preset.seam = Seam::exact;
    BOOST_CHECK_EQUAL(scene.at(chat), "partial exact?");
    BOOST_CHECK_EQUAL(scene.at(messages), "trailing unknown");  // the flag is chat's
    scene.resume.preset.prefill = Prefill::trailing;
    BOOST_CHECK_EQUAL(scene.at(messages), "trailing exact?");
    scene.resume.preset.seam = Seam::echo;
    BOOST_CHECK_EQUAL(scene.at(chat), "trailing echo");  // an echo is compared whole anyway
    scene.resume.preset.prefill = Prefill::none;
    BOOST_CHECK_EQUAL(scene.at(chat), "none");
}

BOOST_AUTO_TEST_CASE(what_was_learnt_wins_over_the_preset) {
    Scene scene;
    scene.resume.preset.prefill = Prefill::prefix;
    scene.resume.preset.seam = Seam::exact;
    scene.capabilities.probed("m", "chat", Prefill::prefix, Seam::echo, start);
    BOOST_CHECK_EQUAL(scene.at(chat), "prefix echo");
    BOOST_CHECK_EQUAL(scene.at(chat, "chat tools"), "prefix exact?");
    scene.capabilities.probed("m", "chat", Prefill::trailing, Seam::exact, start);
    BOOST_CHECK_EQUAL(scene.at(chat), "trailing exact");
    scene.capabilities.probed("m", "chat", Prefill::none, Seam::unknown, start);
    BOOST_CHECK_EQUAL(scene.at(chat), "none");
    BOOST_CHECK_EQUAL(scene.at(chat, "chat tools"), "prefix exact?");
    scene.capabilities.refused("m", start);
    BOOST_CHECK_EQUAL(scene.at(chat, "chat tools"), "none");
    BOOST_CHECK_EQUAL(scene.at(messages, "messages"), "none");
    BOOST_CHECK_EQUAL(scene.at(Endpoint::completions), "none");
}

BOOST_AUTO_TEST_CASE(what_is_configured_wins_over_all) {
    Scene scene;
    scene.resume.preset.prefill = Prefill::trailing;
    scene.resume.preset.seam = Seam::exact;
    scene.resume.configured.prefill = Prefill::prefix;
    BOOST_CHECK_EQUAL(scene.at(chat), "prefix unknown");  // the preset speaks of another way
    scene.capabilities.probed("m", "chat", Prefill::prefix, Seam::exact, start);
    BOOST_CHECK_EQUAL(scene.at(chat), "prefix exact");
    scene.capabilities.probed("m", "chat", Prefill::trailing, Seam::exact, start);
    BOOST_CHECK_EQUAL(scene.at(chat), "prefix unknown");
    scene.capabilities.refused("m", start);
    BOOST_CHECK_EQUAL(scene.at(chat), "none");  // else every break would ask again
    scene.resume.configured.seam = Seam::echo;
    BOOST_CHECK_EQUAL(scene.at(chat), "prefix echo");
    scene.resume.configured.seam = Seam::exact;
    BOOST_CHECK_EQUAL(scene.at(chat), "prefix exact");
    scene.resume.configured.prefill = Prefill::none;
    BOOST_CHECK_EQUAL(scene.at(chat), "none");
    BOOST_CHECK_EQUAL(scene.at(Endpoint::completions), "none");
}

BOOST_AUTO_TEST_CASE(a_flag_that_is_configured_for_chat_settles_nothing_for_messages) {
    Scene scene;
    scene.resume.configured.prefill = Prefill::prefix;
    scene.resume.configured.seam = Seam::exact;
    BOOST_CHECK_EQUAL(scene.at(messages, "messages"), "trailing unknown");
    scene.capabilities.probed("m", "messages", Prefill::trailing, Seam::exact, start);
    BOOST_CHECK_EQUAL(scene.at(messages, "messages"), "trailing exact");
    scene.capabilities.probed("m", "messages", Prefill::none, Seam::unknown, start);
    BOOST_CHECK_EQUAL(scene.at(messages, "messages"), "none");
    BOOST_CHECK_EQUAL(scene.at(chat), "prefix exact");
    scene.resume.configured.prefill = Prefill::trailing;
    BOOST_CHECK_EQUAL(scene.at(messages, "messages"), "trailing exact");
}

BOOST_AUTO_TEST_CASE(a_configured_seam_belongs_to_whatever_prefill_there_is) {
    Scene scene;
    scene.resume.configured.seam = Seam::exact;
    BOOST_CHECK_EQUAL(scene.at(chat), "trailing unknown");  // nobody knows whether a bare message is an open turn
    scene.capabilities.probed("m", "chat", Prefill::trailing, Seam::exact, start);
    BOOST_CHECK_EQUAL(scene.at(chat), "trailing exact");
    scene.capabilities = {};
    scene.resume.preset.prefill = Prefill::prefix;
    BOOST_CHECK_EQUAL(scene.at(chat), "prefix exact");
    scene.capabilities.refused("m", start);
    BOOST_CHECK_EQUAL(scene.at(chat), "none");
}

BOOST_AUTO_TEST_CASE(an_unknown_seam_is_a_question_that_a_probe_answers_whoever_asked_it) {
    for (const std::optional<Prefill> prefill : {std::optional<Prefill>(), std::optional(Prefill::trailing)}) {
        Scene scene;
        scene.resume.configured.prefill = prefill;
        scene.resume.configured.seam = Seam::unknown;
        BOOST_CHECK_EQUAL(scene.at(chat), "trailing unknown");
        scene.capabilities.probed("m", "chat", Prefill::trailing, Seam::exact, start);
        BOOST_CHECK_EQUAL(scene.at(chat), "trailing exact");
        scene.capabilities.probed("m", "chat", Prefill::none, Seam::unknown, start);
        BOOST_CHECK_EQUAL(scene.at(chat), "none");
    }
}

BOOST_AUTO_TEST_CASE(a_configured_prefill_takes_the_presets_seam_with_its_doubt) {
    Scene scene;
    scene.resume.configured.prefill = scene.resume.preset.prefill = Prefill::partial;
    scene.resume.preset.seam = Seam::exact;
    BOOST_CHECK_EQUAL(scene.at(chat), "partial exact?");
}

BOOST_AUTO_TEST_CASE(a_prompt_is_asked_for_unless_somebody_configured_that_it_may_be_continued) {
    Scene scene;
    BOOST_CHECK_EQUAL(scene.at(Endpoint::completions), "trailing unknown");
    scene.resume.preset.seam = Seam::echo;
    scene.resume.preset.prefill = Prefill::prefix;
    BOOST_CHECK_EQUAL(scene.at(Endpoint::completions), "trailing unknown");
    scene.resume.preset.prefill = Prefill::none;
    BOOST_CHECK_EQUAL(scene.at(Endpoint::completions), "none");
    scene.resume.configured.prefill = Prefill::trailing;
    BOOST_CHECK_EQUAL(scene.at(Endpoint::completions), "trailing exact");
}

BOOST_AUTO_TEST_CASE(determinism_is_configured_or_preset) {
    Scene scene;
    const auto deterministic = [&](Endpoint endpoint) {
        return continuable(endpoint, scene.resume, scene.capabilities, "m", "", start).deterministic;
    };
    BOOST_CHECK(!deterministic(chat));
    scene.resume.preset.deterministic = true;
    BOOST_CHECK(deterministic(chat));
    BOOST_CHECK(deterministic(Endpoint::responses));
    scene.resume.configured.deterministic = false;
    BOOST_CHECK(!deterministic(chat));
}

BOOST_AUTO_TEST_CASE(what_was_learnt_is_forgotten_after_a_day) {
    Capabilities capabilities;
    capabilities.refused("m", start);
    capabilities.probed("n", "chat", Prefill::prefix, Seam::echo, start + 1h);
    BOOST_CHECK(capabilities.learnt("m", "x", start + 24h - 1ns));
    BOOST_CHECK(!capabilities.learnt("m", "x", start + 24h));
    BOOST_CHECK(!capabilities.learnt("other", "x", start));
    BOOST_CHECK(!capabilities.learnt("n", "x", start + 1h));
    BOOST_CHECK(capabilities.learnt("n", "chat", start + 1h)->seam == Seam::echo);
    BOOST_CHECK_EQUAL(capabilities.rows(start + 1h).size(), 2U);
    BOOST_REQUIRE_EQUAL(capabilities.rows(start + 24h).size(), 1U);
    BOOST_CHECK_EQUAL(capabilities.rows(start + 24h)[0].model, "n");
    BOOST_CHECK_EQUAL(capabilities.rows(start + 24h)[0].kind, "chat");
    BOOST_CHECK(capabilities.rows(start + 24h)[0].learnt.until == start + 25h);
    capabilities.probed("n", "chat", Prefill::none, Seam::unknown, start + 24h);  // a new result counts anew
    BOOST_CHECK(capabilities.learnt("n", "chat", start + 47h)->prefill == Prefill::none);
}

BOOST_AUTO_TEST_CASE(concurrent_breaks_wait_for_one_probe) {
    Capabilities capabilities;
    std::string called;
    const auto note = [&called](char c) { return [&called, c] { called += c; }; };
    BOOST_CHECK(capabilities.begin_probe("m", "chat", 1, note('a')));
    BOOST_CHECK(!capabilities.begin_probe("m", "chat", 2, note('b')));
    BOOST_CHECK(!capabilities.begin_probe("m", "chat", 3, note('c')));
    BOOST_CHECK(!capabilities.begin_probe("m", "chat", 4, note('d')));
    BOOST_CHECK(capabilities.begin_probe("m", "chat tools", 5, note('e')));
    BOOST_CHECK(capabilities.begin_probe("n", "chat", 6, note('f')));
    capabilities.leave_probe(3);
    capabilities.end_probe("m", "chat");
    BOOST_CHECK_EQUAL(called, "bd");
    capabilities.end_probe("m", "chat");
    BOOST_CHECK_EQUAL(called, "bd");
    BOOST_CHECK(capabilities.begin_probe("m", "chat", 7, note('g')));
}

BOOST_AUTO_TEST_CASE(the_first_that_is_called_may_probe_again) {
    Capabilities capabilities;
    std::string called;
    BOOST_CHECK(capabilities.begin_probe("m", "chat", 1, {}));
    const auto again = [&](char c) {
        return [&, c] {
            called += c;
            called += capabilities.begin_probe("m", "chat", static_cast<unsigned char>(c), [&, c] { called += c; })
                          ? '!'
                          : '.';
        };
    };
    capabilities.begin_probe("m", "chat", 2, again('b'));
    capabilities.begin_probe("m", "chat", 3, again('c'));
    capabilities.end_probe("m", "chat");
    BOOST_CHECK_EQUAL(called, "b!c.");
    capabilities.end_probe("m", "chat");
    BOOST_CHECK_EQUAL(called, "b!c.c");
}

BOOST_AUTO_TEST_CASE(one_that_leaves_while_others_are_called_is_not_called) {
    Capabilities capabilities;
    std::string called;
    BOOST_CHECK(capabilities.begin_probe("m", "chat", 1, {}));
    capabilities.begin_probe("m", "chat", 2, [&] {
        called += 'b';
        capabilities.leave_probe(3);
    });
    capabilities.begin_probe("m", "chat", 3, [&] { called += 'c'; });
    capabilities.begin_probe("m", "chat", 4, [&] { called += 'd'; });
    capabilities.end_probe("m", "chat");
    BOOST_CHECK_EQUAL(called, "bd");
}

BOOST_AUTO_TEST_SUITE_END()
