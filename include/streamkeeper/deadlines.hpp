/// What a session is waiting for at most until when. Pure: time is handed in.
///
/// A sweep asks every session which deadline has passed; it is level-triggered, so a deadline that passes between two
/// waits is found by the next sweep.
#pragma once

#include <array>
#include <chrono>
#include <optional>

#include "streamkeeper/config.hpp"

namespace streamkeeper {

enum class Deadline {
    client_head,      ///< a request's head must be whole
    client_body,      ///< the next byte of a request's body, or the client taking a byte of the answer
    keepalive,        ///< the next request
    connect,          ///< TCP, proxy and TLS handshake together
    stagger,          ///< the next address is tried beside the first (RFC 8305)
    first_byte,       ///< the response's head
    stream_idle,      ///< the next byte of an answer
    stream_progress,  ///< the next payload event
    total,            ///< the whole attempt
    seam,             ///< a continuation's first words are judged by what has come
    linger,           ///< a connection that ends with an error is read until here
    pause,            ///< a pause before the next attempt, or the request's own deadline while it waits at a gate
    heartbeat,        ///< a stream's commit, then its next sign of life; outlives attempts
};

class Deadlines {
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    /// `after` may be `no_limit`.
    void set(Deadline which, TimePoint now, Duration after) {
        at(which) = after == no_limit ? TimePoint::max() : now + after;
    }
    void clear(Deadline which) { at(which) = TimePoint::max(); }
    void clear_all() { times_.fill(TimePoint::max()); }
    /// All but the heartbeat, which belongs to the exchange.
    void clear_attempt() {
        const TimePoint heartbeat = at(Deadline::heartbeat);
        clear_all();
        at(Deadline::heartbeat) = heartbeat;
    }
    /// The earliest deadline that has passed; it stays so until it is set or cleared.
    std::optional<Deadline> passed(TimePoint now) const {
        std::size_t earliest = 0;
        for (std::size_t i = 1; i < count; ++i)
            if (times_[i] < times_[earliest]) earliest = i;
        if (times_[earliest] > now) return std::nullopt;
        return static_cast<Deadline>(earliest);
    }
    bool passed(Deadline which, TimePoint now) const { return times_[static_cast<std::size_t>(which)] <= now; }
    /// Moves one that is set: the time that went by was not its to count.
    void postpone(Deadline which, TimePoint::duration by) {
        if (has(which)) at(which) += by;
    }
    bool has(Deadline which) const { return times_[static_cast<std::size_t>(which)] != TimePoint::max(); }

private:
    static constexpr std::size_t count = static_cast<std::size_t>(Deadline::heartbeat) + 1;
    static constexpr std::array<TimePoint, count> none() {
        std::array<TimePoint, count> times{};
        times.fill(TimePoint::max());
        return times;
    }
    TimePoint& at(Deadline which) { return times_[static_cast<std::size_t>(which)]; }
    std::array<TimePoint, count> times_ = none();
};

}  // namespace streamkeeper
