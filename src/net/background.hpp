/// What may take long or comes out of the blue, on a thread of Asio's: names and signals.
#pragma once

#include <memory>

#include "net/reactor.hpp"

namespace streamkeeper::net {

struct Reactor::Background {
    Background();
    ~Background();
    /// Both call back on the background thread.
    void on_signal(int number, std::function<void()> handle);
    void resolve(const std::string& host, std::uint16_t port, Resolved done);

    struct Impl;
    std::unique_ptr<Impl> impl;
};

}  // namespace streamkeeper::net
