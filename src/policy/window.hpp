/// A sliding window of sends: never more than `requests` in any window of length `per`, measured at the vendor.
///
/// The vendor counts a request somewhere between our handing it over and the arrival of its answer's head. So a send
/// counts from the later end of what is known: its hand-over plus a margin for the way, or the head if that came
/// sooner.
#pragma once

#include <set>

#include "streamkeeper/gate.hpp"

namespace streamkeeper {

struct Window {
    explicit Window(RateLimit the_limit) : limit(the_limit) {}

    RateLimit limit;
    Line line;

    bool admits(TimePoint now) {
        expire(now);
        return pending_ + times_.size() < limit.requests;
    }
    /// When a place becomes free; nothing if that hangs on sends that have not been handed over.
    std::optional<TimePoint> next(TimePoint now) {
        expire(now);
        const std::size_t counted = pending_ + times_.size();
        if (counted < limit.requests) return now;
        const std::size_t too_many = counted - limit.requests;  // a reload may have lowered the limit
        if (too_many >= times_.size()) return std::nullopt;
        return *std::next(times_.begin(), static_cast<std::ptrdiff_t>(too_many)) + limit.per;
    }
    /// Counts a send that is about to happen; the value stands for it from now on.
    TimePoint take(TimePoint now) {
        expire(now);
        ++pending_;
        return pending;
    }
    void sent(TimePoint& entry, TimePoint now) { move(entry, now + margin()); }
    void arrived(TimePoint& entry, TimePoint now) {
        if (now < entry) move(entry, now);
    }
    void never_sent(TimePoint& entry) { forget(entry); }

private:
    static constexpr TimePoint pending = TimePoint::max(), gone = TimePoint::min();

    std::chrono::milliseconds margin() const {
        return std::clamp<Duration>(limit.per / 100, Duration(50), Duration(2000));
    }
    void move(TimePoint& entry, TimePoint to) {
        if (entry == gone) return;
        forget(entry);
        times_.insert(to);
        entry = to;
    }
    /// One that is too old to count is not there any more.
    void forget(TimePoint& entry) {
        if (entry == pending)
            --pending_;
        else if (const auto known = times_.find(entry); known != times_.end())
            times_.erase(known);
        entry = gone;
    }
    void expire(TimePoint now) {
        while (!times_.empty() && *times_.begin() + limit.per <= now) times_.erase(times_.begin());
    }

    std::multiset<TimePoint> times_;  ///< of sends that were handed over
    std::size_t pending_ = 0;         ///< those that were not yet
};

}  // namespace streamkeeper
