#include "streamkeeper/gate.hpp"

#include <algorithm>
#include <utility>

#include "policy/gate_state.hpp"
#include "policy/window.hpp"

namespace streamkeeper {

namespace {

/// Failures in a row that close a model, and for how long (contract, section 4; after Envoy's outlier detection).
constexpr unsigned too_many_failures = 5;
constexpr std::chrono::seconds failing_step{30}, failing_most{300};
/// So many sends under way without a new refusal prove that the scope is open.
constexpr unsigned ramp_end = 4096;

std::string scope_name(std::optional<unsigned> key, std::string_view model) {
    return (key ? std::to_string(*key) : std::string("*")).append("|").append(model);
}

}  // namespace

std::string_view gate_cause_label(GateCause cause) {
    switch (cause) {
        case GateCause::rate_limit: return "rate_limit";
        case GateCause::pace: return "pace";
        case GateCause::failing: return "failing";
        case GateCause::in_flight: return "in_flight";
    }
    return "rate_limit";
}

std::string_view scope_label(const GateSnapshot& gate) {
    if (gate.cause == GateCause::failing || gate.cause == GateCause::in_flight) return "upstream";
    switch (gate.scope) {
        case LimitScope::key: return gate.key ? "key" : "upstream";
        case LimitScope::account: return "account";
        case LimitScope::ip: return "ip";
    }
    return "key";
}

// ---- what a send teaches

void Pass::swap(Pass& other) noexcept {
    std::swap(gates_, other.gates_);
    std::swap(ramps_, other.ramps_);
    std::swap(entries_, other.entries_);
    std::swap(sent_, other.sent_);
}

void Pass::sent(TimePoint now) {
    sent_ = true;
    for (Entry& entry : entries_) entry.window->sent(entry.counted, now);
    if (!entries_.empty() && gates_->waiting_ > 0) gates_->notify();  // now it is known when its place becomes free
}

void Pass::answered(bool success, TimePoint now) {
    if (!gates_) return;
    sent_ = true;  // what was answered was counted, even if not all of it was sent
    for (Entry& entry : entries_) entry.window->arrived(entry.counted, now);
    if (!entries_.empty() && gates_->waiting_ > 0) gates_->notify();
    if (!success) return;  // what it was is judged when its body is read; until then nobody else goes
    for (const Membership& ramp : ramps_) {
        Gate& gate = *ramp.gate;
        if (gate.round != ramp.round || !gate.closed) continue;
        --gate.unresolved;
        gate.allowed *= 2;
        if (gate.allowed >= ramp_end || (gate.line.empty() && gate.unresolved == 0)) gates_->open(gate);
    }
    if (ramps_.empty()) return;
    ramps_.clear();
    gates_->notify();
}

void Pass::give_back() {
    if (!gates_) return;
    Gates* const gates = std::exchange(gates_, nullptr);
    for (const Membership& ramp : ramps_)
        if (ramp.gate->round == ramp.round && ramp.gate->closed) --ramp.gate->unresolved;
    if (!sent_)
        for (Entry& entry : entries_) entry.window->never_sent(entry.counted);
    const bool matters = gates->waiting_ > 0;
    ramps_.clear();
    entries_.clear();
    sent_ = false;
    --gates->in_flight_;
    if (matters) gates->notify();
}

// ---- which gates concern a lane

Gates::Gates() = default;
Gates::~Gates() = default;

std::string Gates::limit_scope(const Lane& lane) const {
    return scope_name(scope_ == LimitScope::key ? std::optional<unsigned>(lane.key) : std::nullopt,
                      per_model_ ? lane.model : std::string_view());
}

/// The common case is that nothing was ever closed: then nothing is looked up.
template <class Visit>
void Gates::each_gate(const Lane& lane, Visit visit) {
    if (!refused_.empty()) {
        const std::string own = limit_scope(lane), everybody = scope_name(std::nullopt, lane.model);
        if (const auto found = refused_.find(own); found != refused_.end()) visit(found->second);
        if (const auto found = refused_.find(everybody); found != refused_.end() && own != everybody)
            visit(found->second);
    }
    if (failing_.empty() || lane.pass_through) return;
    if (const auto found = failing_.find(lane.model); found != failing_.end()) visit(found->second);
}

template <class Visit>
void Gates::each_window(const Lane& lane, Visit visit) {
    if (limits_.empty()) return;
    std::for_each(shared_windows_.begin(), shared_windows_.end(), visit);
    const auto [own, is_new] = key_windows_.try_emplace(lane.key);
    if (is_new) adopt_windows(own->second, true);
    std::for_each(own->second.begin(), own->second.end(), visit);
}

void Gates::configure(const Upstream& upstream) {
    scope_ = upstream.limit_scope;
    per_model_ = upstream.limit_per_model;
    max_in_flight_ = upstream.max_in_flight;
    queue_ = upstream.queue;
    limits_.clear();
    for (const RateLimit& limit : upstream.rate_limits) {  // of two for the same span the stricter one decides
        const auto same = std::find_if(limits_.begin(), limits_.end(), [&](const RateLimit& other) {
            return other.per == limit.per && (other.scope == LimitScope::key) == (limit.scope == LimitScope::key);
        });
        if (same == limits_.end())
            limits_.push_back(limit);
        else
            same->requests = std::min(same->requests, limit.requests);
    }
    adopt_windows(shared_windows_, false);
    for (auto& [key, windows] : key_windows_) adopt_windows(windows, true);
    notify();
}

/// Windows of limits that are still configured keep their counts; who waits at another one is looked at anew.
void Gates::adopt_windows(Windows& windows, bool of_key) {
    Windows next;
    for (const RateLimit& limit : limits_) {
        if ((limit.scope == LimitScope::key) != of_key) continue;
        const auto same = [&](const std::shared_ptr<Window>& window) { return window->limit.per == limit.per; };
        const auto found = std::find_if(windows.begin(), windows.end(), same);
        next.push_back(found != windows.end() ? *found : std::make_shared<Window>(limit));
        next.back()->limit = limit;
    }
    windows.swap(next);
    for (const std::shared_ptr<Window>& old : next) {
        if (std::find(windows.begin(), windows.end(), old) != windows.end()) continue;
        while (Ticket* const ticket = old->line.pop()) in_flight_line_.push(*ticket, ticket->owner().standing());
    }
}

/// A newcomer does not overtake those who wait; who was called from one line only meets gates that are closed.
Gates::Blocking Gates::blocking(const Lane& lane, bool newcomer, TimePoint now) {
    Blocking first;
    const auto meet = [&](Line& line, bool admits, const Closed& why) {
        if (first.line || (admits && !(newcomer && !line.empty()))) return;
        first = {&line, why};
    };
    each_gate(lane, [&](const std::shared_ptr<Gate>& gate) { meet(gate->line, gate->admits(now), gate->why()); });
    each_window(lane, [&](const std::shared_ptr<Window>& window) {
        meet(window->line, window->admits(now), {GateCause::pace, window->next(now), 0});
    });
    meet(in_flight_line_, in_flight_ < max_in_flight_, {GateCause::in_flight, std::nullopt, 0});
    return first;
}

std::optional<Closed> Gates::closed(const Lane& lane, TimePoint now) {
    std::optional<Closed> longest;
    const auto meet = [&](bool admits, const Closed& why) {
        if (!admits && (!longest || longest->until < why.until)) longest = why;
    };
    each_gate(lane, [&](const std::shared_ptr<Gate>& gate) { meet(gate->admits(now), gate->why()); });
    each_window(lane, [&](const std::shared_ptr<Window>& window) {
        meet(window->admits(now), {GateCause::pace, window->next(now), 0});
    });
    if (longest) return longest;
    const Blocking first = blocking(lane, true, now);
    return first.line ? std::optional<Closed>(first.why) : std::nullopt;
}

void Gates::take(const Lane& lane, TimePoint now, Pass& pass) {
    pass.gates_ = this;
    ++in_flight_;
    each_gate(lane, [&](const std::shared_ptr<Gate>& gate) {
        if (!gate->closed) return;
        ++gate->unresolved;
        pass.ramps_.push_back({gate, gate->round});
    });
    each_window(lane,
                [&](const std::shared_ptr<Window>& window) { pass.entries_.push_back({window, window->take(now)}); });
}

bool Gates::try_pass(const Lane& lane, TimePoint now, Pass& pass) {
    if (blocking(lane, true, now).line) return false;
    take(lane, now, pass);
    return true;
}

// ---- closing and opening

void Gates::close(Gate& gate, TimePoint until) {
    gate.closed = true;
    gate.until = until;
    ++gate.round;
    gate.allowed = 1;
    gate.unresolved = 0;
    dismiss(gate.line, until);
    notify();
}

/// Who still stands in its line is served like anybody; the gate is forgotten once nobody does.
void Gates::open(Gate& gate) {
    gate.closed = false;
    gate.in_a_row = gate.failures = 0;
    if (gate.line.empty()) forget_open(gate.cause == GateCause::failing ? failing_ : refused_);
}

void Gates::forget_open(Map& map) {
    std::erase_if(map, [](const auto& entry) {
        const Gate& gate = *entry.second;
        return !gate.closed && gate.failures == 0 && gate.line.empty();
    });
}

void Gates::refuse(const Pass& pass, const Lane& lane, bool overload, int status, const Pause& pause, TimePoint now) {
    const bool one_key = !overload && scope_ == LimitScope::key;
    std::shared_ptr<Gate>& gate = refused_[overload ? scope_name(std::nullopt, lane.model) : limit_scope(lane)];
    if (!gate) {
        gate = std::make_shared<Gate>();
        if (one_key) gate->key = lane.key;
        if (per_model_ || overload) gate->model = lane.model;
    }
    const bool probe = std::any_of(pass.ramps_.begin(), pass.ramps_.end(), [&](const Pass::Membership& ramp) {
        return ramp.gate == gate && ramp.round == gate->round;
    });
    gate->status = status;
    // What was under way before is no second refusal, but it may ask for a later time, about which a probe that went
    // meanwhile proves nothing. No refusal makes the time earlier: another one may have asked for more.
    const bool counts = !gate->closed || probe;
    if (counts) ++gate->in_a_row;
    const TimePoint until = now + std::chrono::duration_cast<TimePoint::duration>(pause(gate->in_a_row));
    if (counts || until > gate->until) close(*gate, gate->closed ? std::max(gate->until, until) : until);
}

void Gates::fail(const Pass& pass, const Lane& lane, int status, TimePoint now) {
    if (lane.pass_through) return;
    const auto known = failing_.find(lane.model);
    std::shared_ptr<Gate>& gate = known != failing_.end() ? known->second : failing_[std::string(lane.model)];
    if (!gate) {
        gate = std::make_shared<Gate>();
        gate->cause = GateCause::failing;
        gate->model = lane.model;
    }
    const bool probe = std::any_of(pass.ramps_.begin(), pass.ramps_.end(), [&](const Pass::Membership& ramp) {
        return ramp.gate == gate && ramp.round == gate->round;
    });
    if (gate->closed && !probe) return;
    gate->status = status;
    if (!probe && ++gate->failures < too_many_failures) return;
    gate->failures = 0;
    ++gate->in_a_row;
    close(*gate, now + std::min<std::chrono::seconds>(failing_step * gate->in_a_row, failing_most));
}

void Gates::succeed(const Lane& lane) {
    if (failing_.empty() || lane.pass_through) return;
    const auto found = failing_.find(lane.model);
    if (found == failing_.end()) return;
    if (found->second->closed) return;  // a closed one opens by its probe
    found->second->failures = 0;
    forget_open(failing_);
}

}  // namespace streamkeeper
