/// A play: requests against scripted answers on a virtual clock, without sockets. What net does for the loop and the
/// gates is done here at once and on one thread; time moves only to the next thing that happens.
///
///     Play play("one: k1 k2 / m1 m2; two: / m3@content_policy");
///     play.answers("one/k1/m1", {"429 wait=2", "200"});
///     BOOST_TEST(play.ask() == "one/k1/m1 429 wait=2, wait rate_limit 2.0, one/k1/m1 200");
///
/// The cast is upstreams as `NAME: KEYS / MODELS`; all their targets, in this order, are every request's plan.
/// `MODEL@REASON` is in the chain for that reason only (`fallback_on`).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "streamkeeper/attempt_loop.hpp"

namespace streamkeeper::play {

using namespace std::chrono_literals;

/// One upstream call as the vendor saw it, in seconds since the play began.
struct Call {
    std::string where, answer;
    std::size_t request = 0;
    double at = 0, ended = 0;
    std::optional<double> head{};      ///< when its response head came
    bool success = false;              ///< that head was a 2xx
    bool free = false;                 ///< a stale pooled connection, which is replaced
    std::optional<Verdict> verdict{};  ///< of a failure
    std::string_view reason{};         ///< of a failure
    double wait = 0;                   ///< that the answer asked for
};

/// One request of a client.
struct Request {
    Request(std::size_t its_number, std::string whose, bool is_resume, std::vector<Target> its_targets,
            LoopSettings its_settings)
        : number(its_number),
          client(std::move(whose)),
          resume(is_resume),
          targets(std::move(its_targets)),
          settings(std::move(its_settings)),
          loop(targets, settings) {}

    const std::size_t number;
    const std::string client;
    const bool resume;
    std::vector<Target> targets;
    const LoopSettings settings;
    AttemptLoop loop;
    std::string told;  ///< calls and waits in order: `upstream/key/model answer`, `wait cause seconds`
    bool done = false, under_way = false;
    std::optional<Action> ended;  ///< how it failed; nothing if it went well
    std::optional<Waiter> waiter;
    TimePoint waits_since{};
    int steps = 0;
};

class Play {
public:
    explicit Play(const std::string& cast);
    Play(const Play&) = delete;
    Play& operator=(const Play&) = delete;

    /// What a target answers, one after another; the last one again and again. Words (play_answer.cpp has them all):
    /// a status with `wait=2`, `code=x`, `no-retry` …, `refused` (TCP), `timeout`, `html`, `cut` (a pooled connection
    /// that was stale), and times in seconds: `upload=1` until all is sent, `slow=3` until the head, `lasts=9` until
    /// the end.
    void answers(const std::string& target, std::deque<std::string> lines) { script_[target] = std::move(lines); }
    /// Instead of the script, if it is set.
    std::function<std::string(const std::string& where)> vendor;

    /// Plays one request to its end and says what happened; at its end `-> status code` if it failed.
    std::string ask();
    /// A request begins, and goes on whenever time passes.
    Request& begin(const std::string& client = "client", bool resume = false);
    void leave(Request&);  ///< its client goes away
    Request* request(std::size_t number) { return requests_.at(number).get(); }
    void pass(double seconds);
    void run();  ///< until nothing more happens
    /// What is called when a request has ended.
    std::function<void(Request&)> finished;

    double chance = 0;             ///< what `uniform` returns: 0 makes pauses as short as they may be
    std::function<double()> dice;  ///< instead of `chance`, if it is set
    Retry retry;
    std::optional<double> deadline;  ///< seconds after the request's start
    bool replayable = true, pass_through = false;
    ModelNames model_names = ModelNames::fix;
    std::vector<std::string> listed;  ///< ids of every upstream's list; none: it can't be had
    std::map<std::string, std::uint64_t> windows;
    Plan plan;  ///< of the next request

    TimePoint began{std::chrono::hours(1000)}, clock = began;
    double now() const { return since(clock); }
    double since(TimePoint time) const { return std::chrono::duration<double>(time - began).count(); }
    bool has(const std::string& name) const { return upstreams_.count(name) > 0; }
    std::shared_ptr<Upstream> upstream(const std::string& name) { return upstreams_.at(name); }
    Traffic& traffic(const std::string& name) { return services_.at(name)->traffic; }
    /// After changes of `upstream(…)`: a reload.
    void configure();

    std::vector<Call> calls;
    /// Of the last request that ended.
    std::optional<Action> ended;
    std::string fallback;
    /// The seconds at which calls began, as "0.0 2.0 2.0".
    std::string call_times() const;

private:
    /// As net/gate_service: serves when the gates ask for it, and at the time that they named then.
    struct Service {
        Traffic traffic;
        bool posted = false;
        TimePoint alarm = TimePoint::max();
    };
    void at(TimePoint time, std::function<void()> what) { events_.emplace(time, std::move(what)); }
    bool next_event(TimePoint until);
    void serve(Service&);
    void act(Request&, const Action&);
    void send(Request&, const Action&);
    void queue(Request&);
    void called(Request&);
    void end(Request&, const Action&);
    std::string next_answer(const std::string& where);

    std::map<std::string, std::deque<std::string>> script_;
    std::deque<std::string> reasons_;  ///< what targets' `only_for` point at
    std::map<std::string, std::shared_ptr<Upstream>> upstreams_;
    std::multimap<TimePoint, std::function<void()>> events_;
    std::map<std::string, std::unique_ptr<Service>> services_;
    std::vector<std::unique_ptr<Request>> requests_;
};

/// One scripted answer, read.
struct Answer {
    Outcome outcome;
    bool reached = true;  ///< the request was handed over
    std::chrono::nanoseconds upload{0}, slow{0}, lasts{0};
};
Answer read_answer(const std::string& line, bool usage_injected);

inline std::chrono::nanoseconds length(double seconds) {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9 + 0.5));
}
std::vector<std::string> words(const std::string& text);
std::string shown(double seconds);  ///< "2.0"

}  // namespace streamkeeper::play
