/// Opens a connection to an upstream: name, addresses side by side (Happy Eyeballs, RFC 8305), proxy, TLS.
#pragma once

#include <string>

#include "net/session.hpp"
#include "net/upstream.hpp"
#include "streamkeeper/attempt_loop.hpp"

namespace streamkeeper::net {

struct Connected {
    Transport transport;
    Cause cause = Cause::answered;  ///< `answered`: it is open
    std::string detail;             ///< what went wrong
    Clock::duration connecting{0}, securing{0};
};

/// Bounded by `limit` as a whole (contract, `timeouts.connect`).
Task<Connected> connect(Session&, std::shared_ptr<UpstreamState>, Duration limit);

}  // namespace streamkeeper::net
