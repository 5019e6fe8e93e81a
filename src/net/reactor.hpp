/// The event loop: readiness of descriptors, alarms, work from other threads. Signals and name resolution are Asio's,
/// on a thread of its own, and arrive here as posted work.
///
/// Descriptors are registered once, edge-triggered, for both directions, so that waiting costs no system call; reads
/// and writes are done by those who own them. docs/decisions/0003 says what that saves against asio's own waits.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "net/task.hpp"

namespace streamkeeper::net {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

/// A socket address, in the form that the system calls want.
struct Address {
    alignas(8) unsigned char storage[128] = {};
    std::uint32_t size = 0;
    bool v6() const;
    std::string text() const;
    static Address parse(const std::string& ip, std::uint16_t port);  ///< size 0 if `ip` is no literal
};

class Reactor {
public:
    Reactor();
    ~Reactor();
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;

    void run();                        ///< until stop()
    void stop();                       ///< from any thread
    void post(std::function<void()>);  ///< from any thread; runs on the loop
    /// The time at which this turn of the loop began: exact enough for deadlines, and free.
    TimePoint now() const { return now_; }

    /// Calls `tick` once, `delay` after it was set. Setting it again replaces the old time. Needs the reactor alive.
    class Alarm {
    public:
        Alarm(Reactor&, std::function<void()> tick);
        ~Alarm();
        Alarm(const Alarm&) = delete;
        Alarm& operator=(const Alarm&) = delete;
        void set(std::chrono::milliseconds delay);
        void cancel() { due_ = TimePoint::max(); }
        bool pending() const { return due_ != TimePoint::max(); }

    private:
        friend class Reactor;
        Reactor& reactor_;
        std::function<void()> tick_;
        TimePoint due_ = TimePoint::max();
    };

    void on_signal(int number, std::function<void()> handle);
    using Resolved = std::function<void(std::error_code, std::vector<Address>)>;
    /// getaddrinfo; `done` runs on the loop. `error` values are of the resolver's category.
    void resolve(const std::string& host, std::uint16_t port, Resolved done);

private:
    friend class Watch;
    struct Background;  ///< Asio's io_context and its thread, started when first needed
    Background& background();
    int timeout() const;
    void ring_alarms();
    void run_posted();

    int epoll_ = -1, wakeup_ = -1;
    TimePoint now_ = Clock::now();
    std::vector<Alarm*> alarms_;  ///< a handful: scanned
    struct Posted;
    std::unique_ptr<Posted> posted_;
    std::unique_ptr<Background> background_;
};

/// A descriptor that is watched for readiness. Owns it and closes it.
class Watch {
public:
    Watch() = default;
    Watch(Reactor&, int descriptor);
    Watch(Watch&&) noexcept = default;
    Watch& operator=(Watch&& other) noexcept;
    ~Watch();

    int descriptor() const { return state_ ? state_->descriptor : -1; }
    bool open() const { return state_ != nullptr; }
    /// Who is told when the descriptor becomes readable, writable or broken; null: nobody.
    void owner(Event* event) {
        if (state_) state_->owner = event;
    }
    /// Became readable (writable, broken) since this was last asked. Edges, not levels: after a true, read until the
    /// descriptor has no more.
    bool take_readable() { return state_ && std::exchange(state_->readable, false); }
    bool take_writable() { return state_ && std::exchange(state_->writable, false); }
    /// The same question without taking the answer.
    bool readable() const { return state_ && state_->readable; }
    /// The peer has ended its side, or the connection is broken: read on until a read says so itself.
    bool ended() const { return state_ && state_->ended; }
    void close();

private:
    friend class Reactor;
    struct State {
        Reactor& reactor;
        int descriptor;
        Event* owner = nullptr;
        bool readable = false, writable = false, ended = false;
    };
    /// Freed at the end of the turn in which it is closed: events of that turn may still name it.
    std::shared_ptr<State> state_;
};

}  // namespace streamkeeper::net
