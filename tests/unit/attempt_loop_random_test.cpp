// What holds whatever vendors answer: the bound on calls, nobody before his time, one probe, and an end.
#include <boost/test/unit_test.hpp>
#include <random>
#include <set>

#include "play.hpp"

using namespace streamkeeper;
using play::Call;
using play::Play;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(attempt_loop_random)

namespace {

constexpr double tolerance = 1e-6;

struct Chance {
    explicit Chance(unsigned seed) : random(seed) {}
    unsigned below(unsigned end) { return random() % end; }
    bool one_in(unsigned n) { return below(n) == 0; }
    double share() { return static_cast<double>(random()) / 4294967296.0; }
    std::string of(const std::vector<std::string>& all) { return all[below(static_cast<unsigned>(all.size()))]; }
    std::mt19937 random;
};

std::string random_cast(Chance& chance) {
    std::string cast;
    const unsigned upstreams = 1 + chance.below(3);
    for (unsigned u = 0; u < upstreams; ++u) {
        cast += (u > 0 ? "; u" : "u") + std::to_string(u) + ":";
        for (unsigned k = chance.below(4); k > 0; --k) cast += " k" + std::to_string(k);
        cast += " /";
        for (unsigned m = 1 + chance.below(3); m > 0; --m)
            cast += " m" + std::to_string(m) + (m == 1 && chance.one_in(4) ? "@content_policy" : "");
    }
    return cast;
}

std::string random_answer(Chance& chance) {
    static const std::vector<std::string> failures = {
        "500",       "503",      "504",          "429",          "429 overloaded", "429 code=insufficient_quota",
        "402",       "401",      "403",          "404 model",    "400 context",    "400 policy",
        "400 usage", "400",      "refused",      "dns",          "timeout",        "closed",
        "cut",       "200 html", "503 capacity", "503 no-retry", "418 retry",      "403 code=ip_not_allowed",
        "200 broken"};
    static const std::vector<std::string> waits = {"429", "503", "402", "500", "504"};
    const std::string times = " slow=" + std::to_string(0.001 + chance.share() * (chance.one_in(4) ? 20 : 1)) +
                              (chance.one_in(3) ? " lasts=" + std::to_string(chance.share() * 30) : "");
    if (chance.one_in(3)) return "200" + times;
    if (!chance.one_in(3)) return chance.of(failures) + times;
    return chance.of(waits) + " wait=" + std::to_string(chance.share() * (chance.one_in(5) ? 400 : 10)) + times;
}

void random_settings(Play& play, Chance& chance) {
    play.dice = [&chance] { return chance.share(); };
    play.retry.attempts = 1 + chance.below(7);
    play.retry.per_target = 1 + chance.below(5);
    play.deadline = chance.one_in(5) ? chance.share() * 5 : 240;
    if (chance.one_in(2)) play.listed = {"m1", "M-2", "m3"};
    if (chance.one_in(2)) play.windows = {{"m1", 1000}, {"m2", 2000}, {"m3", 3000}};
    for (const char* name : {"u0", "u1", "u2"}) {
        if (!play.has(name)) continue;
        Upstream& upstream = *play.upstream(name);
        upstream.limit_scope = static_cast<LimitScope>(chance.below(3));
        upstream.limit_per_model = chance.one_in(2);
        upstream.max_in_flight = chance.one_in(3) ? 1 + chance.below(3) : 64;
        upstream.queue = chance.one_in(8) ? chance.below(3) : 256;
        if (chance.one_in(3)) upstream.rate_limits = {{1 + chance.below(5), 10s, LimitScope::key}};
    }
    play.configure();
    play.vendor = [&chance](const std::string&) { return random_answer(chance); };
}

/// Where a call belongs to: the scope that a 429 closes, and the one that an overload closes.
struct Scopes {
    std::string limit, overload;
};
Scopes scopes_of(Play& play, const Call& call) {
    const std::string upstream = call.where.substr(0, 2), key = call.where.substr(3, call.where.find('/', 3) - 3),
                      model = call.where.substr(call.where.rfind('/') + 1);
    const Upstream& settings = *play.upstream(upstream);
    return {upstream + (settings.limit_scope == LimitScope::key ? key : "*") + (settings.limit_per_model ? model : ""),
            upstream + "*" + model};
}
bool waited_for(const Call& call) { return call.verdict == Verdict::retry_after_wait; }

/// The scopes that a call's answer closed; empty: none.
std::string closed_by(Play& play, const Call& call) {
    if (!waited_for(call)) return {};
    const Scopes scopes = scopes_of(play, call);
    return call.reason == "overload" ? scopes.overload : scopes.limit;
}

bool closed_between(Play& play, const std::string& scope, double begin, double end) {
    return std::any_of(play.calls.begin(), play.calls.end(), [&](const Call& call) {
        return call.ended > begin && call.ended <= end && closed_by(play, call) == scope;
    });
}

// ---- what holds for one request

void check_request(const Play& play, const play::Request& request) {
    BOOST_TEST_REQUIRE(request.done);
    unsigned calls = 0, waits = 0, free = 0, own = 0;
    const Call* last = nullptr;
    for (const Call& call : play.calls) {
        if (call.request != request.number) continue;
        ++calls;
        waits += waited_for(call) ? 1 : 0;
        free = std::max(free, call.free ? 1u : 0u);
        own = std::max(own, call.reason == "unsupported_param" ? 1u : 0u);
        const double deadline = play.since(request.settings.deadline);
        if (last && !last->free && last->reason != "unsupported_param")
            BOOST_REQUIRE_MESSAGE(call.at <= deadline + tolerance, request.told);
        if (last) BOOST_REQUIRE_MESSAGE(last->verdict && last->ended <= call.at + tolerance, request.told);
        last = &call;
    }
    BOOST_REQUIRE_MESSAGE(calls <= play.retry.attempts + waits + free + own, request.told);
    BOOST_REQUIRE_MESSAGE(request.ended.has_value() == (!last || last->verdict.has_value()), request.told);
    if (request.ended) BOOST_REQUIRE_MESSAGE(request.ended->status >= 400, request.told);
}

/// A request that was told to wait before it tries the same again does so.
void check_pauses(const Play& play) {
    for (const Call& call : play.calls) {
        if (call.verdict != Verdict::retry_same || call.wait == 0) continue;
        for (const Call& next : play.calls)
            if (next.request == call.request && next.where == call.where && next.at > call.at)
                BOOST_REQUIRE_MESSAGE(next.at >= call.ended + call.wait - tolerance, call.where << " at " << next.at);
    }
}

// ---- what holds for all together

/// Nobody is sent through a gate that an answer closed, before its time; and then one goes first.
void check_gates(Play& play) {
    for (const Call& closing : play.calls) {
        const std::string scope = closed_by(play, closing);
        if (scope.empty()) continue;
        const double until = closing.ended + std::max(closing.wait, 1.0);  // base · 2 · ½, when chance is at its lowest
        const Call* probe = nullptr;
        bool opened = false;
        for (const Call& call : play.calls) {
            const Scopes of = scopes_of(play, call);
            if ((of.limit != scope && of.overload != scope) || call.at <= closing.ended) continue;
            BOOST_REQUIRE_MESSAGE(call.at >= until - tolerance, call.where << " at " << call.at << ", closed by "
                                                                           << closing.answer << " at "
                                                                           << closing.ended);
            if (probe && probe->head && probe->success && *probe->head <= call.at) opened = true;
            if (opened) break;
            if (closed_between(play, scope, closing.ended, call.at)) break;  // that closing is looked at by itself
            if (probe)
                BOOST_REQUIRE_MESSAGE(probe->ended <= call.at + tolerance,
                                      "two probes of " << scope << " at " << probe->at << " and " << call.at);
            probe = &call;
        }
    }
}

/// What comes after a stale connection, or after our own option was refused, belongs to the same try.
bool goes_on(const Play& play, const Call& call) {
    const Call* before = nullptr;
    for (const Call& other : play.calls) {
        if (&other == &call) break;
        if (other.request == call.request) before = &other;
    }
    return before && before->where == call.where && (before->free || before->reason == "unsupported_param");
}

/// A key that was refused is tried once more at most within its minute, unless it works.
void check_keys(const Play& play) {
    const auto key_of = [](const Call& call) { return call.where.substr(0, call.where.rfind('/')); };
    for (const Call& refusal : play.calls) {
        const bool about_the_key =
            refusal.verdict == Verdict::other_key && (refusal.reason == "billing" || refusal.answer.starts_with("401"));
        if (!about_the_key || key_of(refusal).ends_with("-")) continue;
        int more = 0;
        for (const Call& call : play.calls) {
            if (key_of(call) != key_of(refusal)) continue;
            const bool works = !call.verdict && call.ended >= refusal.ended;
            if (works) break;
            if (goes_on(play, call)) continue;
            if (call.at > refusal.ended && call.at < refusal.ended + 60) ++more;
        }
        BOOST_REQUIRE_MESSAGE(more <= 1, key_of(refusal) << " " << more << " times after " << refusal.ended);
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_request_after_another) {
    for (unsigned seed = 0; seed < 3000; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed) {
            Chance chance(seed);
            Play play(random_cast(chance));
            random_settings(play, chance);
            for (int i = 0; i < 4; ++i) {
                play.ask();
                play.pass(chance.share() * 100);
            }
            for (std::size_t i = 0; i < 4; ++i) check_request(play, *play.request(i));
            check_pauses(play);
            check_gates(play);
            check_keys(play);
        }
    }
}

BOOST_AUTO_TEST_CASE(many_requests_at_once) {
    for (unsigned seed = 0; seed < 1500; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed) {
            Chance chance(seed);
            Play play(random_cast(chance));
            random_settings(play, chance);
            std::set<std::size_t> left;
            const std::size_t count = 2 + chance.below(14);
            for (std::size_t i = 0; i < count; ++i) {
                play.begin(chance.of({"a", "b", "c"}), chance.one_in(6));
                play.pass(chance.share() * (chance.one_in(3) ? 30 : 1));
                const std::size_t leaver = chance.below(static_cast<unsigned>(count));
                if (chance.one_in(8) && leaver <= i && !play.request(leaver)->done) {
                    play.leave(*play.request(leaver));
                    left.insert(leaver);
                }
            }
            play.run();
            for (std::size_t i = 0; i < count; ++i)
                if (left.count(i) == 0) check_request(play, *play.request(i));
            if (left.empty()) {
                check_gates(play);
                check_keys(play);
            }
            check_pauses(play);
            for (const char* name : {"u0", "u1", "u2"}) {
                if (!play.has(name)) continue;
                BOOST_TEST_REQUIRE(play.traffic(name).gates.waiting() == 0u);
                BOOST_TEST_REQUIRE(play.traffic(name).gates.in_flight() == 0u);
            }
        }
    }
}

/// One target answers, after some waits; the others fail in every way that another target may mend.
BOOST_AUTO_TEST_CASE(where_one_target_would_answer_the_client_gets_its_answer) {
    unsigned long_ones = 0;
    for (unsigned seed = 0; seed < 4000; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed) {
            Chance chance(seed);
            Play play(random_cast(chance));
            std::erase_if(play.plan.targets, [](const Target& target) { return !target.only_for.empty(); });
            if (play.plan.targets.empty()) continue;
            play.dice = [&chance] { return chance.share(); };
            const auto count = static_cast<unsigned>(play.plan.targets.size());
            play.retry.attempts = count + chance.below(3);
            play.retry.per_target = 1 + chance.below(5);
            play.retry.base = play.retry.cap = 500ms;  // it is over before refused keys may be tried again
            const Target& good = play.plan.targets[chance.below(count)];
            const std::string good_key = good.upstream->name + "/" + (good.key ? good.key->name : "-");
            int waits = static_cast<int>(chance.below(4));
            std::map<std::string, std::string> failures;
            for (const Target& target : play.plan.targets) {
                const std::string key = target.upstream->name + "/" + (target.key ? target.key->name : "-");
                const bool shares_key = key == good_key;
                failures[key + "/" + target.model] =
                    shares_key ? chance.of({"500", "503", "404 model", "429 wait=9", "503 capacity", "refused", "403"})
                               : chance.of({"500", "503", "401", "402", "429 wait=9", "timeout", "dns", "403"});
            }
            const std::string best = good_key + "/" + good.model;
            play.vendor = [&](const std::string& where) {
                if (where != best) return failures.at(where) + " slow=0.1";
                return waits-- > 0 ? std::string("429 wait=4") : std::string("200");
            };
            const std::string told = play.ask();
            if (play.now() > 55) {  // refused keys are tried again, which may take the attempts that are left
                ++long_ones;
                continue;
            }
            BOOST_REQUIRE_MESSAGE(!play.ended, best << " would have answered: " << told);
        }
    }
    BOOST_TEST(long_ones < 200u);
}

BOOST_AUTO_TEST_SUITE_END()
