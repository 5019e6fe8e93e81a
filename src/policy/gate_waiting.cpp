// The waiting side of the gates: who stands where, who may go, who is told that he can't.
#include <algorithm>

#include "policy/gate_state.hpp"
#include "policy/window.hpp"

namespace streamkeeper {

bool Gates::enter(Waiter& waiter, const std::vector<Lane>& lanes, TimePoint now) {
    if (lanes.empty() || waiting_ >= queue_) return false;
    if (waiter.standing_.order == 0)
        waiter.standing_.order = static_cast<std::uint64_t>(now.time_since_epoch().count());
    for (const Lane& lane : lanes) stand(waiter, lane, true, now);
    notify();
    return true;
}

/// Puts a lane into the line of the gate that holds it up; one request has one ticket in a line.
void Gates::stand(Waiter& waiter, const Lane& lane, bool newcomer, TimePoint now) {
    const Blocking at = blocking(lane, newcomer, now);
    if (!newcomer && at.why.until && *at.why.until > waiter.deadline_) return;  // it would wait in vain
    Line* const line = at.line ? at.line : &in_flight_line_;  // it opened just now: `serve` will find that
    const auto stands = std::find_if(waiter.tickets_.begin(), waiter.tickets_.end(),
                                     [line](const Ticket& ticket) { return ticket.line() == line; });
    if (stands != waiter.tickets_.end()) return stands->lanes.push_back(lane);
    const bool counted = std::any_of(waiter.tickets_.begin(), waiter.tickets_.end(),
                                     [this](const Ticket& ticket) { return ticket.gates_ == this && ticket.counted_; });
    Ticket& ticket = waiter.tickets_.emplace_back(waiter, *this);
    ticket.lanes.push_back(lane);
    ticket.counted_ = !counted;
    waiting_ += counted ? 0 : 1;
    line->push(ticket, waiter.standing_);
}

/// Takes one ticket from its owner; another one of this upstream counts for it.
void Gates::drop(Ticket& ticket) {
    Waiter& owner = ticket.owner();
    const auto heir = std::find_if(owner.tickets_.begin(), owner.tickets_.end(),
                                   [&](const Ticket& other) { return &other != &ticket && other.gates_ == this; });
    if (ticket.counted_ && heir != owner.tickets_.end()) {
        ticket.counted_ = false;
        heir->counted_ = true;
    }
    owner.tickets_.remove_if([&](const Ticket& other) { return &other == &ticket; });
}

/// The first of these lanes that is open now is the request's.
bool Gates::call(Waiter& waiter, const std::vector<Lane>& lanes, TimePoint now) {
    for (const Lane& lane : lanes) {
        if (blocking(lane, false, now).line) continue;
        waiter.grant.emplace().target = lane.target;
        take(lane, now, waiter.grant->pass);
        waiter.leave();
        waiter.called_();
        return true;
    }
    return false;
}

void Gates::tell_hopeless(Waiter& waiter) {
    waiter.hopeless = true;
    waiter.called_();
}

template <class Admits>
void Gates::serve_line(Line& line, Admits admits, TimePoint now) {
    while (turns_left_ > 0 && !line.empty() && admits()) {
        --turns_left_;
        Ticket& ticket = *line.pop();
        Waiter& owner = ticket.owner();
        const std::vector<Lane> lanes = std::move(ticket.lanes);
        if (call(owner, lanes, now)) continue;
        for (const Lane& lane : lanes) stand(owner, lane, false, now);
        drop(ticket);
        if (!owner.waits()) tell_hopeless(owner);
    }
}

bool Gates::serve(TimePoint now, std::size_t most) {
    turns_left_ = most;
    for (Map* const map : {&refused_, &failing_}) {
        for (auto& scoped : *map)
            serve_line(scoped.second->line, [&gate = *scoped.second, now] { return gate.admits(now); }, now);
        forget_open(*map);
    }
    const auto serve_window = [&](const std::shared_ptr<Window>& window) {
        serve_line(window->line, [&] { return window->admits(now); }, now);
    };
    for (const std::shared_ptr<Window>& window : shared_windows_) serve_window(window);
    for (auto& [key, windows] : key_windows_) std::for_each(windows.begin(), windows.end(), serve_window);
    serve_line(in_flight_line_, [this] { return in_flight_ < max_in_flight_; }, now);
    return turns_left_ == 0 && waiting_ > 0;
}

TimePoint Gates::next_opening(TimePoint now) const {
    TimePoint next = TimePoint::max();
    for (const Map* const map : {&refused_, &failing_})
        for (const auto& [scope, gate] : *map)
            if (!gate->line.empty() && gate->closed && gate->until > now) next = std::min(next, gate->until);
    const auto look = [&](const std::shared_ptr<Window>& window) {
        if (!window->line.empty()) next = std::min(next, window->next(now).value_or(TimePoint::max()));
    };
    std::for_each(shared_windows_.begin(), shared_windows_.end(), look);
    for (const auto& [key, windows] : key_windows_) std::for_each(windows.begin(), windows.end(), look);
    return next;
}

/// Who could not go before his deadline is told now: waiting would only cost him time.
void Gates::dismiss(Line& line, TimePoint until) {
    line.for_each([&](Ticket& ticket) {
        Waiter& owner = ticket.owner();
        if (owner.deadline_ >= until) return;
        drop(ticket);
        if (!owner.waits()) tell_hopeless(owner);
    });
}

std::vector<GateSnapshot> Gates::snapshot(TimePoint now) const {
    std::vector<GateSnapshot> all;
    for (const Map* const map : {&refused_, &failing_})
        for (const auto& [scope, gate] : *map)
            if (gate->closed)
                all.push_back({gate->cause, gate->key, scope_, gate->model, gate->why(), gate->line.size()});
    const auto look = [&](const std::shared_ptr<Window>& window, std::optional<unsigned> key) {
        if (!window->admits(now))
            all.push_back({GateCause::pace,
                           key,
                           window->limit.scope,
                           "",
                           {GateCause::pace, window->next(now), 0},
                           window->line.size()});
    };
    for (const std::shared_ptr<Window>& window : shared_windows_) look(window, std::nullopt);
    for (const auto& [key, windows] : key_windows_)
        for (const std::shared_ptr<Window>& window : windows) look(window, key);
    if (in_flight_ >= max_in_flight_)
        all.push_back({GateCause::in_flight,
                       std::nullopt,
                       scope_,
                       "",
                       {GateCause::in_flight, std::nullopt, 0},
                       in_flight_line_.size()});
    return all;
}

}  // namespace streamkeeper
