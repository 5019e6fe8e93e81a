// Sliding windows: never more than N sends in any window of length `per`, wherever between hand-over and head the
// vendor counts them (contract, section 4, `rate_limits`).
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <random>

#include "gate_scene.hpp"
#include "play.hpp"

using namespace streamkeeper;
using gate_scene::Scene;
using play::Play;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(window)

namespace {

struct Paced : Scene {
    explicit Paced(std::vector<RateLimit> limits) {
        upstream.rate_limits = std::move(limits);
        configure();
    }
    /// A send that is over: handed over now, answered now.
    bool send(unsigned key, std::string_view model = "m") {
        std::optional<Pass> pass = go(key, model);
        if (!pass) return false;
        pass->sent(now);
        pass->answered(true, now);
        return true;
    }
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_window_slides) {
    Paced scene({{3, 10s, LimitScope::key}});
    for (int i = 0; i < 3; ++i) {
        BOOST_TEST(scene.send(0));
        scene.pass_time(1s);
    }
    BOOST_TEST(!scene.send(0));
    BOOST_TEST(scene.closed_for(0, "m") == 7);
    scene.pass_time(7s - 1ns);
    BOOST_TEST(!scene.send(0));
    scene.pass_time(1ns);
    BOOST_TEST(scene.send(0));
    BOOST_TEST(!scene.send(0));
    scene.pass_time(1s);
    BOOST_TEST(scene.send(0));
}

BOOST_AUTO_TEST_CASE(keys_have_windows_of_their_own_and_an_ip_or_account_has_one) {
    Paced keys({{1, 10s, LimitScope::key}});
    BOOST_TEST(keys.send(0));
    BOOST_TEST(!keys.send(0, "other"));
    BOOST_TEST(keys.send(1));
    for (const LimitScope scope : {LimitScope::ip, LimitScope::account}) {
        Paced all({{1, 10s, scope}});
        BOOST_TEST(all.send(0));
        BOOST_TEST(!all.send(1));
    }
}

BOOST_AUTO_TEST_CASE(each_of_several_limits_holds) {
    Paced scene({{2, 1s, LimitScope::key}, {3, 10s, LimitScope::ip}, {5, 10s, LimitScope::ip}});
    BOOST_TEST(scene.send(0));
    BOOST_TEST(scene.send(0));
    BOOST_TEST(!scene.send(0));
    BOOST_TEST(scene.send(1));
    BOOST_TEST(!scene.send(2));  // of two limits for one span the stricter one counts
    scene.pass_time(5s);
    BOOST_TEST(!scene.send(0));
    BOOST_TEST(scene.closed_for(0, "m") == 5);
    scene.pass_time(5s);
    BOOST_TEST(scene.send(0));
}

BOOST_AUTO_TEST_CASE(a_send_counts_from_its_hand_over_and_a_margin_or_from_its_head) {
    Paced scene({{1, 100s, LimitScope::key}});
    std::optional<Pass> pass = scene.go(0, "m");
    scene.pass_time(500s);
    BOOST_TEST(!scene.open(0, "m"));  // not even handed over
    BOOST_TEST(scene.closed_for(0, "m") == -1);
    pass->sent(scene.now);
    BOOST_TEST(scene.closed_for(0, "m") == 101);  // a hundredth
    scene.pass_time(200ms);
    pass->answered(true, scene.now);
    BOOST_TEST(scene.closed_for(0, "m") == 100);
    scene.pass_time(1s);
    pass->answered(true, scene.now);
    BOOST_TEST(scene.closed_for(0, "m") == 99);
    Paced quick({{1, 1s, LimitScope::key}});
    pass = quick.go(0, "m");
    pass->sent(quick.now);
    BOOST_TEST(quick.closed_for(0, "m") == 1.05);  // 50 ms at least
    Paced slow({{1, 1h, LimitScope::key}});
    pass = slow.go(0, "m");
    pass->sent(slow.now);
    BOOST_TEST(slow.closed_for(0, "m") == 3602);  // two seconds at most
    slow.pass_time(30s);
    pass->answered(true, slow.now);  // the vendor has counted it long before
    BOOST_TEST(slow.closed_for(0, "m") == 3572);
}

BOOST_AUTO_TEST_CASE(what_was_never_sent_does_not_count) {
    Paced scene({{2, 10s, LimitScope::key}});
    std::optional<Pass> refused = scene.go(0, "m"), kept = scene.go(0, "m");
    BOOST_TEST(!scene.open(0, "m"));
    refused.reset();
    BOOST_TEST(scene.open(0, "m"));
    kept->sent(scene.now);
    kept.reset();  // sent, and broken off: it counts
    BOOST_TEST(scene.send(0));
    BOOST_TEST(!scene.open(0, "m"));
}

BOOST_AUTO_TEST_CASE(an_answer_that_comes_before_all_was_sent_counts_as_sent) {
    Paced scene({{1, 10s, LimitScope::key}});
    std::optional<Pass> pass = scene.go(0, "m");
    pass->answered(false, scene.now);  // 413, in the middle of the upload
    pass.reset();
    BOOST_TEST(scene.closed_for(0, "m") == 10);
}

BOOST_AUTO_TEST_CASE(one_slow_upload_does_not_forget_the_others) {
    Paced scene({{3, 10s, LimitScope::key}});
    std::optional<Pass> slow = scene.go(0, "m");
    BOOST_TEST(scene.send(0));
    scene.pass_time(11s);
    BOOST_TEST(scene.send(0));
    slow->sent(scene.now);
    slow.reset();
    BOOST_TEST(scene.send(0));
    BOOST_TEST(!scene.send(0));
}

// ---- waiting for a place

BOOST_AUTO_TEST_CASE(who_waits_for_a_place_is_called_when_it_is_free) {
    Paced scene({{1, 10s, LimitScope::key}});
    BOOST_TEST(scene.send(0));
    for (const char* name : {"a1", "b1", "a2"}) scene.enter(name);
    std::string order;
    for (int i = 0; i < 3; ++i) {
        BOOST_TEST((scene.gates.next_opening(scene.now) == scene.now + 10s));
        scene.pass_time(10s);
        const std::string name = scene.served();
        order += name + " ";
        scene.pass_of(name).sent(scene.now);
        scene.head(name);
    }
    BOOST_TEST(order == "a1 b1 a2 ");
}

BOOST_AUTO_TEST_CASE(the_time_is_known_as_soon_as_the_send_before_is_handed_over) {
    Play play("one: k / m");
    play.upstream("one")->rate_limits = {{1, 10s, LimitScope::key}};
    play.configure();
    play.answers("one/k/m", {"200 upload=3 slow=2 lasts=200", "200"});
    play.begin();
    const auto& second = play.begin();
    play.run();
    BOOST_TEST(second.told == "wait pace 13.1, one/k/m 200");
}

BOOST_AUTO_TEST_CASE(a_head_that_comes_before_the_margin_is_over_frees_its_place_sooner) {
    Play play("one: k / m");
    play.upstream("one")->rate_limits = {{1, 100s, LimitScope::key}};
    play.configure();
    play.answers("one/k/m", {"200 slow=0.2 lasts=300", "200"});
    play.begin();
    const auto& second = play.begin();
    play.run();
    BOOST_TEST(second.told == "wait pace 100.2, one/k/m 200");
}

BOOST_AUTO_TEST_CASE(a_wait_for_a_place_beyond_the_deadline_is_refused_at_once) {
    Play play("one: k / m");
    play.upstream("one")->rate_limits = {{1, 300s, LimitScope::key}};
    play.configure();
    play.ask();
    BOOST_TEST(play.ask() == "-> 429 rate_limited retry-after=60");
    BOOST_TEST(play.ended->reason == "pace");
}

// ---- reloads

BOOST_AUTO_TEST_CASE(a_reload_keeps_what_was_counted) {
    Paced scene({{3, 10s, LimitScope::key}, {9, 60s, LimitScope::ip}});
    for (int i = 0; i < 3; ++i) BOOST_TEST(scene.send(0));
    scene.upstream.rate_limits = {{4, 10s, LimitScope::key}, {9, 60s, LimitScope::ip}};
    scene.configure();
    BOOST_TEST(scene.send(0));
    BOOST_TEST(!scene.send(0));
    scene.upstream.rate_limits = {{2, 10s, LimitScope::key}};
    scene.configure();
    BOOST_TEST(!scene.send(0));
    scene.pass_time(10s);
    BOOST_TEST(scene.send(0));
    BOOST_TEST(scene.send(0));
    BOOST_TEST(!scene.send(0));
}

BOOST_AUTO_TEST_CASE(a_limit_that_a_reload_takes_away_lets_go_who_waits_for_it) {
    Paced scene({{1, 1h, LimitScope::key}});
    BOOST_TEST(scene.send(0));
    for (const char* name : {"a1", "a2"}) scene.enter(name);
    scene.upstream.rate_limits = {{5, 1s, LimitScope::ip}};
    const int before = scene.changes;
    scene.configure();
    BOOST_TEST(scene.changes > before);
    BOOST_TEST(scene.served() == "a1 a2");
    BOOST_TEST(scene.gates.waiting() == 0u);
    scene.leave("a1");  // its place was in a window that is gone
    scene.upstream.rate_limits = {};
    scene.configure();
    for (int i = 0; i < 50; ++i) BOOST_TEST(scene.send(0));
}

// ---- properties

/// Sends that are handed over, answered and broken off in a random order; the vendor counts each somewhere between its
/// hand-over and its head, but no later than the margin.
BOOST_AUTO_TEST_CASE(never_more_than_n_in_any_window) {
    std::size_t sends = 0;
    for (unsigned seed = 0; seed < 300; ++seed) {
        std::mt19937 random(seed);
        const std::uint32_t most = 1 + random() % 8;
        const Duration per(200 + random() % 2000);
        const std::chrono::nanoseconds margin = std::min<Duration>(per / 100, 2000ms);
        Paced scene({{most, per, LimitScope::key}});
        struct Send {
            std::unique_ptr<Pass> pass;
            TimePoint sent{};
        };
        std::vector<Send> taken, under_way;
        std::vector<TimePoint> counted;
        const auto any = [&random](std::vector<Send>& all) {
            std::swap(all[random() % all.size()], all.back());
            Send one = std::move(all.back());
            all.pop_back();
            return one;
        };
        for (int step = 0; step < 600; ++step) {
            scene.pass_time(std::chrono::milliseconds(random() % (random() % 5 == 0 ? 200 : 4)));
            const unsigned what = random() % 9;
            if (what < 4) {
                if (std::optional<Pass> pass = scene.go(0, "m"))
                    taken.push_back({std::make_unique<Pass>(std::move(*pass))});
            } else if (what < 6 && !taken.empty()) {
                under_way.push_back(any(taken));
                under_way.back().sent = scene.now;
                under_way.back().pass->sent(scene.now);
            } else if (what == 6 && !taken.empty()) {
                any(taken);  // it was never sent
            } else if (what >= 7 && !under_way.empty()) {
                const Send send = any(under_way);
                if (what == 7) send.pass->answered(random() % 2 == 0, scene.now);  // else it broke off
                const TimePoint last = what == 7 ? std::min(scene.now, send.sent + margin) : send.sent + margin;
                const auto span = std::max<std::int64_t>((last - send.sent).count(), 1);
                counted.push_back(send.sent + std::chrono::nanoseconds(random() % 3 == 0 ? span : random() % span));
            }
        }
        for (const Send& send : under_way) counted.push_back(send.sent + margin);
        std::sort(counted.begin(), counted.end());
        sends += counted.size();
        for (std::size_t i = most; i < counted.size(); ++i)
            BOOST_REQUIRE_MESSAGE(counted[i] - counted[i - most] >= per - 1ns, "seed " << seed);
    }
    BOOST_TEST(sends > 5000u);
}

/// Ten greedy clients against a vendor that enforces both limits exactly: it refuses nothing, and nearly all of the
/// allowance is used.
BOOST_AUTO_TEST_CASE(greedy_clients_get_nearly_all_of_the_allowance_and_no_refusal) {
    constexpr double ip_span = 18, key_span = 6, spans = 17;
    constexpr std::size_t ip_most = 150, key_most = 60;
    Play play("one: k1 k2 / m");
    play.upstream("one")->rate_limits = {{ip_most, 18s, LimitScope::ip}, {key_most, 6s, LimitScope::key}};
    play.configure();
    std::mt19937 random(7);
    std::deque<double> of_ip;
    std::map<std::string, std::deque<double>> of_key;
    std::size_t refused = 0, served = 0;
    const auto admits = [](std::deque<double>& window, double now, double span, std::size_t most) {
        while (!window.empty() && window.front() <= now - span) window.pop_front();
        return window.size() < most;
    };
    play.vendor = [&](const std::string& where) {
        const double now = play.now();
        const bool fine = admits(of_ip, now, ip_span, ip_most) && admits(of_key[where], now, key_span, key_most);
        (fine ? served : refused) += 1;
        if (!fine) return std::string("429");
        of_ip.push_back(now);
        of_key[where].push_back(now);
        return "200 slow=" + std::to_string(0.01 * static_cast<double>(1 + random() % 10)) +
               " lasts=" + std::to_string(0.01 * static_cast<double>(random() % 20));
    };
    std::map<std::string, int> by_client;
    play.finished = [&](const play::Request& request) {
        ++by_client[request.client];
        if (play.now() < ip_span * spans) play.begin(request.client);
    };
    for (int i = 0; i < 40; ++i) play.begin("client " + std::to_string(i % 10));
    play.pass(ip_span * spans - 0.1);
    BOOST_TEST(refused == 0u);
    const double used = static_cast<double>(served) / (spans * static_cast<double>(ip_most));
    BOOST_TEST_MESSAGE("allowance used: " << 100 * used << " %");
    BOOST_TEST(used >= 0.95);
    BOOST_TEST(used <= 1.0);
    for (const auto& [client, count] : by_client) BOOST_TEST(std::abs(count - static_cast<int>(served) / 10) < 15);
}

BOOST_AUTO_TEST_SUITE_END()
