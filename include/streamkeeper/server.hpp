/// The server: listeners, sessions and what they share. One thread runs it.
///
/// `net` knows nothing of what people see: pages and records leave through hooks that `ops` fills.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "streamkeeper/admission.hpp"
#include "streamkeeper/budget.hpp"
#include "streamkeeper/config.hpp"
#include "streamkeeper/continuation.hpp"
#include "streamkeeper/gate.hpp"
#include "streamkeeper/key_states.hpp"
#include "streamkeeper/record.hpp"

namespace streamkeeper {

namespace net {
class Core;
}

/// An own page, ready to be sent.
struct Page {
    int status = 200;
    std::string content_type, body;
};

struct ServerHooks {
    std::function<Page(http::Surface)> page;              ///< /metrics, /healthz, /readyz, /-/status
    std::function<void(const Record&)> record;            ///< an exchange ended
    std::function<void(LogLevel, std::string_view)> log;  ///< everything else worth a line
    std::function<void(double seconds)> loop_lag;         ///< how late the sweep came
    std::function<void()> tick;                           ///< about ten times a second while anything happens
};

/// A snapshot for the pages.
struct KeySnapshot {
    std::string name, shown;  ///< `shown`: as it may be seen, masked
    KeyState state = KeyState::usable;
    KeyRefusal refusal;  ///< unless it is usable
};

struct UpstreamSnapshot {
    std::string name, base_url;
    std::size_t idle = 0, waiting = 0;
    int busy = 0, in_flight = 0;
    std::vector<KeySnapshot> keys;
    std::vector<GateSnapshot> gates;       ///< the closed ones
    std::vector<Capabilities::Row> seams;  ///< what breaks and probes have taught
    Capability capability{};               ///< what is known without them
    std::string_view capability_from{};    ///< `configuration`, `preset`, `nothing`
};

struct ServerSnapshot {
    std::size_t sessions = 0, in_flight = 0;
    std::vector<UpstreamSnapshot> upstreams;
    Bytes bodies = 0, transcripts = 0, held = 0, memory = 0;
    bool draining = false;
};

class Server {
public:
    Server(std::shared_ptr<const Config>, ServerHooks);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Binds every address, or takes the sockets that systemd passed. Empty if all went well, else what and how to fix
    /// it.
    std::string listen(const std::vector<int>& inherited);
    /// `http://127.0.0.1:PORT` of each listener, and `unix:PATH`.
    std::vector<std::string> addresses() const;

    void run();    ///< returns once `drain` is done or `stop` was called
    void stop();   ///< from any thread: now
    void drain();  ///< no new connections; ends when the requests have, or after `drain`
    /// Takes over a new configuration for requests that begin from now on. Empty, or why it can't be taken.
    std::string reconfigure(std::shared_ptr<const Config>);
    std::shared_ptr<const Config> config() const;
    ServerSnapshot snapshot() const;

    void post(std::function<void()>);  ///< from any thread; runs on the loop
    void on_signal(int number, std::function<void()>);
    /// Calls `tick` about every `interval` from the loop, for as long as the server lives.
    void every(Duration interval, std::function<void()> tick);

private:
    std::unique_ptr<net::Core> core_;
};

}  // namespace streamkeeper
