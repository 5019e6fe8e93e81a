/// What all sessions share: the loop, the configuration, the upstreams, the budget, one scratch buffer.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "net/reactor.hpp"
#include "net/transport.hpp"
#include "net/upstream.hpp"
#include "streamkeeper/server.hpp"

namespace streamkeeper::net {

class Session;

/// What admission must know about a listener, as the last configuration says; its sessions look here for each request.
struct ListenerRules {
    std::shared_ptr<const http::AdmissionRules> now;
};

/// Accepts connections until it is closed.
struct Listener {
    Watch watch;
    Event ready;
    ListenAddress address;
    bool metrics_only = false;
    bool inherited = false;  ///< from systemd: its file is not ours to remove
    bool closing = false;
    std::shared_ptr<ListenerRules> rules = std::make_shared<ListenerRules>();
};

class Core {
public:
    Core(std::shared_ptr<const Config>, ServerHooks);
    ~Core();

    Reactor reactor;
    ServerHooks hooks;
    Budget budget;
    UpstreamRegistry upstreams{reactor};
    std::shared_ptr<const Config> config;
    /// Filled and emptied within one turn of the loop; nobody keeps bytes in it across a wait.
    std::array<char, 64 << 10> scratch;

    std::string reconfigure(std::shared_ptr<const Config>);
    std::string listen(const std::vector<int>& inherited);
    std::shared_ptr<UpstreamState> state_of(const std::shared_ptr<const Upstream>&);

    void enter(Session&);
    void leave(Session&);
    /// At the cap of connections: one ended or became idle, so that the next one may come in.
    void look_for_room();
    /// Counts a request that goes to an upstream, for gauges and drain.
    void request_began(const std::string& upstream) { ++in_flight_[upstream]; }
    void request_ended(const std::string& upstream) {
        --in_flight_[upstream];
        last_request_ = reactor.now();
        trim_due_ = true;
    }
    /// A session waits with a deadline: the sweep must run.
    void need_sweep();
    bool draining() const { return draining_; }
    void drain();
    void stop();
    ServerSnapshot snapshot() const;
    void every(Duration interval, std::function<void()> tick);
    std::string next_request_id();
    void log(LogLevel level, std::string_view line) const {
        if (hooks.log) hooks.log(level, line);
    }
    /// Wakes it soon, a few in each turn of the loop: a crowd that a gate lets go must not stall the streams.
    void wake_in_turn(Session&);
    /// Chance, for pauses: [0, 1).
    double uniform() { return std::uniform_real_distribution<double>()(chance_); }
    /// The client says that it has sent this before, or it failed here a moment ago.
    bool is_resend(const http::RequestHead* wishes, std::string_view client, std::string_view body);
    void note_failed(std::size_t request);
    /// What a request is known by for a while after it failed.
    static std::size_t fingerprint(std::string_view client, std::string_view body);
    const std::vector<std::unique_ptr<Listener>>& listeners() const { return listeners_; }

private:
    void close_listeners();
    std::string open_listener(const ListenAddress&, bool metrics_only, int inherited);
    static Detached accept_from(Core&, Listener&);
    /// True if a connection was taken or refused for good; false if there is none, or no room for one.
    bool accept_one(Listener&);
    bool make_room();
    void sweep();
    void wake_some();
    void trim_when_quiet(TimePoint now);
    void refresh_rules();
    void accept_again();
    std::size_t connection_cap() const;

    std::vector<std::unique_ptr<Listener>> listeners_;
    std::unordered_set<Session*> sessions_;
    std::unordered_map<std::string, int> in_flight_;
    /// An exchange may run under an older configuration; its upstreams' states are kept as long as that lives.
    struct Named {
        std::weak_ptr<const Upstream> upstream;
        std::shared_ptr<UpstreamState> state;
    };
    std::unordered_map<const Upstream*, Named> by_config_;
    std::vector<std::unique_ptr<Reactor::Alarm>> repeating_;
    Reactor::Alarm sweep_alarm_, drain_alarm_, accept_alarm_;
    TimePoint sweep_due_, last_request_;
    bool draining_ = false, accepting_paused_ = false, trim_due_ = false;
    std::deque<std::shared_ptr<Session>> to_wake_;
    std::deque<std::pair<TimePoint, std::size_t>> failed_;  ///< fingerprints of bodies
    std::minstd_rand chance_{std::random_device{}()};
    std::uint64_t descriptor_limit_ = 1024;
    std::uint64_t id_seed_, id_count_ = 0;
};

}  // namespace streamkeeper::net
