/// What is known about an upstream at run time, and outlives a configuration: its idle connections, TLS sessions, last
/// good addresses, model list, and what it has refused.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/gate_service.hpp"
#include "net/tls.hpp"
#include "net/transport.hpp"
#include "streamkeeper/config.hpp"
#include "streamkeeper/plan.hpp"

namespace streamkeeper::net {

class Session;

/// Where to connect: the upstream itself, or the proxy in front of it.
struct Hop {
    std::string host;
    std::uint16_t port = 0;
    bool via_proxy = false;
    std::string proxy_name;  ///< for people: the variable or the setting that names the proxy
    std::string proxy_authorization;
};

struct IdleConnection {
    Transport transport;
    TimePoint since;
    Duration keep;  ///< closed after this long
    bool aged(TimePoint now) const { return keep != no_limit && now - since >= keep; }
};

/// The addresses of one name. Old answers are used when the resolver fails or is slow (last good).
struct Addresses {
    std::vector<Address> known;
    TimePoint resolved_at;
    bool resolving = false;
    std::string error;  ///< of the last try, empty if it went well
    std::vector<std::weak_ptr<Session>> waiting;
};

/// One model as an upstream lists it: its id and the whole entry, byte for byte.
struct ListedModel {
    std::string id, entry;
};

struct ModelList {
    std::vector<ListedModel> models;
    std::optional<TimePoint> fetched_at;    ///< of the last good answer
    std::optional<TimePoint> tried_at;      ///< of the last attempt, however it went or goes
    std::optional<TimePoint> refreshed_at;  ///< of the last fetch because a name was refused
    /// The context size that the list tells, in tokens; 0: it does not.
    std::uint64_t context(std::string_view id) const;
    bool has(std::string_view id) const;
};

class UpstreamState {
public:
    /// Throws std::runtime_error if `tls.ca_file` can't be read.
    explicit UpstreamState(std::shared_ptr<const Upstream>);

    const Upstream& config() const { return *config_; }
    TlsContext* tls() { return tls_.get(); }
    const Hop& hop() const { return hop_; }
    Addresses& addresses() { return addresses_; }
    ModelList models;
    GateService* gates = nullptr;  ///< the vendor's, whatever the keys are
    std::vector<unsigned> slots;   ///< of the keys, in order (key_states.hpp)
    Known known() const { return {&gates->traffic, slots}; }
    bool usage_refused = false;
    int busy = 0;  ///< connections in use

    /// The most recently used connection that is still good; broken ones met on the way are closed.
    std::optional<Transport> take_idle(TimePoint now);
    void keep_idle(Transport, TimePoint now, Duration keep);
    void close_aged(TimePoint now);
    std::size_t idle() const { return idle_.size(); }

private:
    std::shared_ptr<const Upstream> config_;
    std::unique_ptr<TlsContext> tls_;
    Hop hop_;
    Addresses addresses_;
    std::vector<IdleConnection> idle_;  ///< used last at the back
};

/// Keyed by (upstream, base_url, key fingerprints) and by how it is reached; gates and key states by (upstream,
/// base_url), and there by the fingerprint.
class UpstreamRegistry {
public:
    explicit UpstreamRegistry(Reactor& reactor) : reactor_(reactor) {}
    /// The states of this configuration's upstreams; those that an older configuration had too are kept. Throws as
    /// above.
    void adopt(const Config&);
    std::shared_ptr<UpstreamState> find(const Upstream&) const;
    const std::map<std::string, std::shared_ptr<UpstreamState>>& all() const { return states_; }

private:
    Reactor& reactor_;
    std::map<std::string, std::shared_ptr<UpstreamState>> states_;
    /// Never forgotten: requests of older configurations may still use them, and edits of a file are few.
    std::map<std::string, std::unique_ptr<GateService>> gates_;
};

/// `proxy: env` reads HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in both spellings, as curl does.
Hop hop_to(const Upstream&);

}  // namespace streamkeeper::net
