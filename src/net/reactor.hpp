/// The event loop, and the only door to Asio: readiness of descriptors, one sweep timer, signals, name resolution.
///
/// One thread runs it. Everything else in `net` does its own non-blocking reads and writes when told that it may.
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

    void run();   ///< until stop()
    void stop();  ///< from any thread
    void post(std::function<void()>);  ///< from any thread; runs on the loop
    /// Calls `tick` once, `delay` from now. One timer per Alarm; setting it again replaces the old time.
    class Alarm {
    public:
        Alarm(Reactor&, std::function<void()> tick);
        ~Alarm();
        void set(std::chrono::milliseconds delay);
        void cancel();
        bool pending() const;

    private:
        struct Impl;
        std::unique_ptr<Impl> impl_;
    };
    void on_signal(int number, std::function<void()> handle);
    using Resolved = std::function<void(std::error_code, std::vector<Address>)>;
    /// getaddrinfo on a thread of its own; `done` runs on the loop. `error` values are of the resolver's category.
    void resolve(const std::string& host, std::uint16_t port, Resolved done);

    struct Impl;
    Impl& impl() { return *impl_; }

private:
    std::unique_ptr<Impl> impl_;
};

/// A descriptor that is watched for readiness. Owns it and closes it.
class Watch {
public:
    Watch() = default;
    Watch(Reactor&, int descriptor);
    Watch(Watch&&) noexcept = default;
    Watch& operator=(Watch&& other) noexcept;
    ~Watch();

    int descriptor() const;
    bool open() const { return state_ != nullptr; }
    /// Who is told; null: nobody. Readiness that comes meanwhile is remembered.
    void owner(Event*);
    /// Asks to be told once the descriptor can be read (written) or is broken. Asking twice is asking once.
    void arm_read();
    void arm_write();
    /// Whether it became so since the last time this was asked.
    bool take_readable();
    bool take_writable();
    void close();
    /// Starts anew with the same descriptor: after a connect, so that readable is all that wakes.
    void forget_write();

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace streamkeeper::net
