/// The mock upstream: a deterministic model behind the wire formats of the real vendors, for demo, tests and users who
/// test their own tools. It listens on loopback, needs no key of a real vendor and tells usage truthfully.
///
/// It is written on Boost.Beast on purpose: streamkeeper frames HTTP itself, so the two ends share no framing bug.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace streamkeeper {

struct MockOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  ///< 0: a free one
    /// 401 for any other; empty: any key is taken. A script's keys stand instead of this one while it is the default.
    std::string key = "sk-mock-0123456789";
    std::vector<std::string> more_keys;    ///< taken like `key`
    std::string tls_certificate, tls_key;  ///< PEM files; empty: plain HTTP
    std::string record_file;          ///< JSON lines, one per request seen (method, target, headers, body); empty: none
    bool record_tokens = false;       ///< a second line behind each answer of the model: when each token went out
    std::string script_file;          ///< faults, limits, keys and models (src/mock/README.md); empty: `script`
    std::string script;               ///< the same as text; empty: a healthy vendor
    std::vector<std::string> limits;  ///< besides the script's: `1500/3m per ip`
};

/// Runs on a thread of its own from construction to destruction.
class MockUpstream {
public:
    /// Throws std::system_error: port taken, unusable file; std::invalid_argument, a line for each: mistakes in the
    /// script or the limits, the default key on an address that others can reach.
    explicit MockUpstream(const MockOptions&);
    ~MockUpstream();
    std::uint16_t port() const;
    std::string base_url() const;    ///< `http://127.0.0.1:PORT/v1`; https with a certificate
    bool takes_default_key() const;  ///< the one that everybody knows

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace streamkeeper
