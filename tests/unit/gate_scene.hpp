/// Gates without requests: who asks, who waits, who is called, on a clock that the test moves.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "streamkeeper/gate.hpp"

namespace streamkeeper::gate_scene {

using namespace std::chrono_literals;

struct Scene {
    Scene() {
        upstream.max_in_flight = 1000;
        gates.changed = [this] { ++changes; };
        configure();
    }
    void configure() { gates.configure(upstream); }
    void pass_time(std::chrono::nanoseconds time) { now += time; }

    // ---- those who don't wait
    static Lane lane(unsigned key, std::string_view model, std::size_t target = 0) {
        return {key, model, target, false};
    }
    std::optional<Pass> go(unsigned key, std::string_view model) {
        Pass pass;
        if (!gates.try_pass(lane(key, model), now, pass)) return std::nullopt;
        return pass;
    }
    /// Whether one could go; nobody does.
    bool open(unsigned key, std::string_view model) { return go(key, model).has_value(); }
    /// Until when the lane is closed, in seconds from now; -1: it is open.
    double closed_for(unsigned key, std::string_view model) {
        const std::optional<Closed> closed = gates.closed(lane(key, model), now);
        return closed && closed->until ? std::chrono::duration<double>(*closed->until - now).count() : -1;
    }
    /// The vendor says 429 to this pass, or to a request that was under way before.
    void refuse(const Pass& pass, unsigned key, std::string_view model, std::chrono::nanoseconds wait) {
        gates.refuse(pass, lane(key, model), false, 429, [wait](unsigned) { return wait; }, now);
    }
    /// Without a hint: closed for as many seconds as there were refusals in a row.
    void refuse(const Pass& pass, unsigned key, std::string_view model) {
        gates.refuse(pass, lane(key, model), false, 429, [](unsigned n) { return std::chrono::seconds(n); }, now);
    }
    void fail(const Pass& pass, std::string_view model, int times = 1) {
        for (int i = 0; i < times; ++i) gates.fail(pass, lane(0, model), 503, now);
    }

    // ---- those who wait
    /// `name`'s first letter is the client's name.
    Waiter& enter(const std::string& name, const std::vector<Lane>& lanes, TimePoint deadline = TimePoint::max(),
                  bool resume = false) {
        waiters[name] = std::make_unique<Waiter>(name.substr(0, 1), resume, deadline, [this, name] {
            called += (called.empty() ? "" : " ") + (waiters[name]->hopeless ? "!" + name : name);
        });
        entered = gates.enter(*waiters[name], lanes, now);
        return *waiters[name];
    }
    Waiter& enter(const std::string& name) { return enter(name, {lane(0, "m")}); }
    /// Who is called now, in order; `!` before those who are told that there is no hope.
    std::string served() {
        while (gates.serve(now, 100)) continue;
        return std::exchange(called, {});
    }
    Pass& pass_of(const std::string& name) { return waiters.at(name)->grant->pass; }
    /// A 2xx head comes for it.
    void head(const std::string& name) { pass_of(name).answered(true, now); }
    void leave(const std::string& name) { waiters.erase(name); }

    Upstream upstream;
    TimePoint now{std::chrono::hours(1000)};
    Gates gates;
    std::map<std::string, std::unique_ptr<Waiter>> waiters;
    std::string called;
    bool entered = false;
    int changes = 0;
};

}  // namespace streamkeeper::gate_scene
