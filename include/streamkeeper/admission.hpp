/// Admission: judges a request's head. May this client ask this, here, and what is it asking for?
///
/// The order of refusals is the contract's (section 3): Host, own pages' rule, Origin, token, method and path. Framing
/// was judged before (head.hpp).
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "streamkeeper/config.hpp"
#include "streamkeeper/endpoint.hpp"
#include "streamkeeper/head.hpp"

namespace streamkeeper::http {

/// What admission must know, made once per configuration and listener.
struct AdmissionRules {
    std::vector<std::string> hosts;    ///< lower case, without port, IPv6 in brackets
    std::vector<std::string> origins;  ///< as configured, lower case
    std::vector<Client> clients;       ///< empty: no token is asked for
    bool loopback = true;              ///< own pages answer here at all
    bool metrics_only = false;         ///< the separate metrics listener
    bool metrics_elsewhere = false;    ///< `/metrics` has a listener of its own
};
AdmissionRules admission_rules(const Config&, const ListenAddress&, bool metrics_only);

enum class Surface {
    proxied,  ///< goes to an upstream
    models,   ///< the merged list
    metrics,
    healthz,
    readyz,
    status,
    preflight,  ///< answered 204 here
};

/// What was asked, once it was admitted. Views point into the head.
struct Admitted {
    Surface surface = Surface::proxied;
    Endpoint endpoint = Endpoint::other;
    bool policy = false;      ///< a JSON POST that policy may read and change; else passed through
    std::string upstream;     ///< forced by `/u/NAME` or x-streamkeeper-upstream; else empty
    std::string suffix;       ///< what is appended to base_url, beginning with '/', without a query
    std::string query;        ///< with '?', credentials taken out; or empty
    std::string client;       ///< the client's configured name; empty without `clients`
    std::string_view origin;  ///< an allowed origin; the answer must name it
};

std::variant<Admitted, Refusal> admit(const RequestHead&, const AdmissionRules&);

}  // namespace streamkeeper::http
