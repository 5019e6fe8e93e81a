/// Runs one upstream's gates on the loop: when they say that somebody may go, and when the next one opens by itself.
#pragma once

#include "net/reactor.hpp"
#include "streamkeeper/traffic.hpp"

namespace streamkeeper::net {

class GateService {
public:
    explicit GateService(Reactor&);
    Traffic traffic;

private:
    void serve();
    Reactor& reactor_;
    Reactor::Alarm alarm_;
    bool posted_ = false;
};

}  // namespace streamkeeper::net
