/// A sliding window of sends: never more than `requests` in any window of length `per`, measured at the vendor.
///
/// The vendor counts a request somewhere between our handing it over and the arrival of its answer's head. So a send
/// counts from the later end of what is known: its hand-over plus a margin for the way, or the head if that came
/// sooner.
#pragma once

#include <deque>

#include "streamkeeper/gate.hpp"

namespace streamkeeper {

struct Window {
    explicit Window(RateLimit the_limit) : limit(the_limit) {}

    RateLimit limit;
    Line line;

    bool admits(TimePoint now) {
        expire(now);
        return live_ < limit.requests;
    }
    /// When a place becomes free; nothing if that hangs on a send that has not been handed over.
    std::optional<TimePoint> next(TimePoint now) {
        expire(now);
        if (live_ < limit.requests) return now;
        if (times_.empty() || times_.front() == pending) return std::nullopt;
        return times_.front() + limit.per;
    }
    /// Counts a send that is about to happen; its number names it from now on.
    std::uint64_t take(TimePoint now) {
        expire(now);
        times_.push_back(pending);
        ++live_;
        return first_ + times_.size() - 1;
    }
    void sent(std::uint64_t number, TimePoint now) { set(number, now + margin()); }
    void arrived(std::uint64_t number, TimePoint now) {
        if (TimePoint* const time = at(number); time && now < *time) *time = now;
    }
    void never_sent(std::uint64_t number) {
        TimePoint* const time = at(number);
        if (!time) return;
        *time = cancelled;
        --live_;
    }

private:
    static constexpr TimePoint pending = TimePoint::max(), cancelled = TimePoint::min();

    std::chrono::milliseconds margin() const { return std::min<Duration>(limit.per / 100, Duration(2000)); }
    TimePoint* at(std::uint64_t number) {
        return number < first_ ? nullptr : &times_[static_cast<std::size_t>(number - first_)];
    }
    void set(std::uint64_t number, TimePoint time) {
        if (TimePoint* const place = at(number)) *place = time;
    }
    void expire(TimePoint now) {
        while (!times_.empty()) {
            const TimePoint front = times_.front();
            const bool gone = front == cancelled || (front != pending && front + limit.per <= now);
            if (!gone) return;
            live_ -= front == cancelled ? 0 : 1;
            times_.pop_front();
            ++first_;
        }
    }

    std::deque<TimePoint> times_;  ///< in the order of their numbers, the first is `first_`
    std::uint64_t first_ = 0;
    std::size_t live_ = 0;
};

}  // namespace streamkeeper
