/// A play: requests against scripted answers on a virtual clock, without sockets. What the attempt loop asks for is
/// obeyed at once; time moves only where the loop wants to wait.
///
///     Play play("one: k1 k2 / m1");            upstreams `NAME: KEYS / MODELS`, separated by ';'
///     play.answers("one/k1/m1", {"429 retry-after=2", "200"});
///     BOOST_TEST(play.ask() == "one/k1/m1 429, wait rate_limit 2.0-2.5, one/k1/m1 200");
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "streamkeeper/attempt_loop.hpp"

namespace streamkeeper::play {

using namespace std::chrono_literals;

/// One upstream call as the vendor saw it.
struct Call {
    double at = 0;  ///< seconds since the play began
    std::string where;
};

class Play {
public:
    explicit Play(const std::string& cast);

    /// What a target answers, one after another; the last one again and again. `200`, `500`, `429`, `429 wait=2`,
    /// `402`, `401`, `403 code=x`, `404 model`, `400 context`, `400 usage`, `refused` (TCP), `timeout`, `html`, `cut`
    /// (a connection that was pooled and stale), `slow=3 200` (the head comes after 3 s).
    void answers(const std::string& target, std::deque<std::string> lines);

    /// Plays one request to its end and says what happened, calls and waits in order, as `upstream/key/model answer`
    /// and `wait cause seconds`; at its end `-> status code` if it failed.
    std::string ask();

    /// Chance: what `uniform` returns (default 0: pauses are as short as they may be).
    double chance = 0;
    Retry retry;
    std::optional<double> deadline;  ///< seconds after the request's start
    bool replayable = true, pass_through = false;
    std::vector<std::string> listed;  ///< ids of every upstream's list
    std::map<std::string, std::uint64_t> windows;
    Plan plan;  ///< of the next request
    std::vector<std::pair<std::string, std::string>> chain_for;

    double now() const { return std::chrono::duration<double>(clock - began).count(); }
    void pass(double seconds) {
        clock += std::chrono::duration_cast<TimePoint::duration>(std::chrono::duration<double>(seconds));
    }
    Traffic& traffic(const std::string& upstream) { return *traffics.at(upstream); }
    std::shared_ptr<Upstream> upstream(const std::string& name) { return upstreams.at(name); }
    void configure() {
        for (auto& [name, one] : upstreams) traffics.at(name)->gates.configure(*one);
    }
    std::vector<Call> calls;
    std::optional<Action> ended;  ///< how the last request failed; nothing if it went well
    std::string fallback;         ///< why the last answer came from another target

    TimePoint began{std::chrono::hours(1000)}, clock = began;
    std::map<std::string, std::shared_ptr<Upstream>> upstreams;
    std::map<std::string, std::unique_ptr<Traffic>> traffics;

private:
    std::string next_answer(const std::string& where);
    Outcome outcome_of(const std::string& answer);
    Action send(AttemptLoop&, const Action&, const Target&, std::string& told);
    Action wait(AttemptLoop&, TimePoint until, std::string& told);
    std::map<std::string, std::deque<std::string>> script_;
};

}  // namespace streamkeeper::play
