/// Gates: "scope X is closed until T because Y". The one mechanism by which requests wait for a vendor (contract,
/// section 4): a 429 closes `rate_limit`, configured `rate_limits` close `pace`, failures in a row close `failing`, a
/// full `max_in_flight` closes `in_flight`. Pure: time is handed in, and what may go is told through `Waiter::called`.
///
/// Each closed scope has one line. When its time has come, one request goes first, the probe; the 2xx head of its
/// answer lets two more go, each further head doubles that, and another refusal closes the scope again. `pace` and
/// `in_flight` are our own counts, which need no probe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "streamkeeper/config.hpp"
#include "streamkeeper/waiting_line.hpp"

namespace streamkeeper {

using TimePoint = std::chrono::steady_clock::time_point;

enum class GateCause {
    rate_limit,  ///< the vendor refused with a 429, or named a time to wait
    pace,        ///< the configured `rate_limits` are used up
    failing,     ///< failures in a row of one model
    in_flight,   ///< `max_in_flight` requests are on the wire
};
std::string_view gate_cause_label(GateCause);

class Gates;

/// A scope that a vendor's answers closed. Internal to Gates and Pass.
struct Gate;
/// A sliding window of sends. Internal to Gates and Pass.
struct Window;

/// Permission for one send, and what is learnt from it. Given back when it ends.
class Pass {
public:
    Pass() = default;
    Pass(Pass&& other) noexcept { swap(other); }
    Pass& operator=(Pass&& other) noexcept {
        Pass taken(std::move(other));
        swap(taken);
        return *this;
    }
    ~Pass() { give_back(); }
    explicit operator bool() const { return gates_ != nullptr; }

    /// The request's last byte was handed over: the windows count from here.
    void sent(TimePoint now);
    /// A response head came. `success` (2xx) opens the gates further.
    void answered(bool success, TimePoint now);
    /// The exchange is over: the place among `max_in_flight` is free. Without an answer the next waiter is the probe.
    void give_back();

private:
    friend class Gates;
    void swap(Pass& other) noexcept;
    struct Membership {
        std::shared_ptr<Gate> gate;
        unsigned round = 0;  ///< of the gate when it let us go
    };
    struct Entry {
        std::shared_ptr<Window> window;
        TimePoint counted;  ///< stands for the send in the window
    };
    Gates* gates_ = nullptr;
    std::vector<Membership> ramps_;  ///< gates that were just opening: this send is their probe, or follows one
    std::vector<Entry> entries_;
    bool sent_ = false;
};

/// Leave to go, to the target that was asked for.
struct Grant {
    std::size_t target = 0;
    Pass pass;
};

/// A request that may have to wait: for any of its targets. It must not move.
class Waiter {
public:
    /// `called` runs when `grant` or `hopeless` is set. `resume`: an answer that was cut is to be continued.
    Waiter(std::string client, bool resume, TimePoint deadline, std::function<void()> called)
        : standing_{std::move(client), resume, 0}, deadline_(deadline), called_(std::move(called)) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    const Standing& standing() const { return standing_; }
    bool waits() const { return !tickets_.empty(); }
    /// Leaves all lines.
    void leave() { tickets_.clear(); }

    std::optional<Grant> grant;  ///< set once it may go
    /// Every gate it waits at is now known to stay closed beyond its deadline.
    bool hopeless = false;

private:
    friend class Gates;
    Standing standing_;
    TimePoint deadline_;
    std::function<void()> called_;
    std::list<Ticket> tickets_;
};

/// Why a lane is closed, and until when.
struct Closed {
    GateCause cause = GateCause::rate_limit;
    std::optional<TimePoint> until;  ///< nothing: nobody knows
    int status = 0;                  ///< what the vendor answered, for people
};

/// One closed scope, for the status page and the metrics.
struct GateSnapshot {
    GateCause cause = GateCause::rate_limit;
    std::optional<unsigned> key;  ///< its slot; nothing: all keys share the scope
    LimitScope scope = LimitScope::key;
    std::string model;  ///< empty: all
    Closed why;
    std::size_t waiting = 0;
};

/// Who shares the scope: `ip`, `account`, `key`, or `upstream` for a model's failures and our own count.
std::string_view scope_label(const GateSnapshot&);

/// All scopes of one upstream. Outlives a configuration.
class Gates {
public:
    Gates();
    ~Gates();
    Gates(const Gates&) = delete;
    Gates& operator=(const Gates&) = delete;

    /// Takes over an upstream's settings; what is closed stays closed, what was counted stays counted.
    void configure(const Upstream&);
    /// Called when `serve` should run soon: somebody may go now, or the earliest `next_opening` has changed.
    std::function<void()> changed;

    /// The send may happen now, with `pass`, which must be empty. False: a gate is closed, or others wait at one.
    bool try_pass(const Lane&, TimePoint now, Pass& pass);
    /// The gate that holds the lane up for longest; nothing if none does.
    std::optional<Closed> closed(const Lane&, TimePoint now);

    /// Puts a waiter into the lines of these lanes. False: `queue` requests wait already.
    bool enter(Waiter&, const std::vector<Lane>& lanes, TimePoint now);
    /// Looks at no more than `most` waiters, and lets those go that may. True if there are more to look at.
    bool serve(TimePoint now, std::size_t most);
    /// When a gate opens by itself; `max()`: none does.
    TimePoint next_opening(TimePoint now) const;
    std::size_t waiting() const { return waiting_; }
    unsigned in_flight() const { return in_flight_; }

    /// The vendor refused: `pause(n)` is how long the scope stays closed after n refusals in a row. `overload`: it was
    /// the model that had no room, whatever the key.
    using Pause = std::function<std::chrono::nanoseconds(unsigned in_a_row)>;
    void refuse(const Pass&, const Lane&, bool overload, int status, const Pause& pause, TimePoint now);
    /// An attempt failed before output, in a way that may be the model's own.
    void fail(const Pass&, const Lane&, int status, TimePoint now);
    /// An attempt went well.
    void succeed(const Lane&);

    std::vector<GateSnapshot> snapshot(TimePoint now) const;

private:
    friend class Pass;
    friend class Ticket;
    using Map = std::map<std::string, std::shared_ptr<Gate>, std::less<>>;
    /// Where a request has to wait first; nowhere without a line.
    struct Blocking {
        Line* line = nullptr;
        Closed why;
    };
    Blocking blocking(const Lane&, bool newcomer, TimePoint now);
    void take(const Lane&, TimePoint now, Pass& pass);
    template <class Admits>
    void serve_line(Line&, Admits admits, TimePoint now);
    bool call(Waiter&, const std::vector<Lane>&, TimePoint now);
    void stand(Waiter&, const Lane&, bool newcomer, TimePoint now);
    static void tell_hopeless(Waiter&);
    void drop(Ticket&);
    void dismiss(Line&, TimePoint until);
    void close(Gate&, TimePoint until);
    void open(Gate&);
    std::string limit_scope(const Lane&) const;
    template <class Visit>
    void each_gate(const Lane&, Visit visit);
    template <class Visit>
    void each_window(const Lane&, Visit visit);
    using Windows = std::vector<std::shared_ptr<Window>>;
    void adopt_windows(Windows&, bool of_key);
    void forget_open(Map&);
    void uncount() { --waiting_; }
    void notify() const {
        if (changed) changed();
    }

    LimitScope scope_ = LimitScope::key;
    bool per_model_ = true;
    unsigned max_in_flight_ = 64, in_flight_ = 0;
    std::size_t queue_ = 256, waiting_ = 0, turns_left_ = 0;
    std::vector<RateLimit> limits_;
    Map refused_, failing_;
    Windows shared_windows_;
    std::map<unsigned, Windows> key_windows_;
    Line in_flight_line_;
};

}  // namespace streamkeeper
