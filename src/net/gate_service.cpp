#include "net/gate_service.hpp"

namespace streamkeeper::net {

namespace {
/// Waiters looked at in one turn of the loop: a crowd that is let go must not stall the streams.
constexpr std::size_t one_turn = 256;
}  // namespace

GateService::GateService(Reactor& reactor) : reactor_(reactor), alarm_(reactor, [this] { serve(); }) {
    traffic.gates.changed = [this] {
        if (std::exchange(posted_, true)) return;
        reactor_.post([this] { serve(); });
    };
}

void GateService::serve() {
    posted_ = false;
    const TimePoint now = Clock::now();
    if (traffic.gates.serve(now, one_turn)) return traffic.gates.changed();
    const TimePoint next = traffic.gates.next_opening(now);
    if (next == TimePoint::max())
        alarm_.cancel();
    else
        alarm_.set(std::chrono::ceil<std::chrono::milliseconds>(next - now));
}

}  // namespace streamkeeper::net
