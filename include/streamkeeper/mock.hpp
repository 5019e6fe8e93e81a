/// The mock upstream: a deterministic model behind the wire formats of the real vendors, for demo, tests and users who
/// test their own tools. It listens on loopback, needs no key of a real vendor and tells usage truthfully.
///
/// It is written on Boost.Beast on purpose: streamkeeper frames HTTP itself, so the two ends share no framing bug.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace streamkeeper {

struct MockOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;                  ///< 0: a free one
    std::string key = "sk-mock-0123456789";  ///< 401 for any other; empty: any key is taken
    std::string tls_certificate, tls_key;    ///< PEM files; empty: plain HTTP
    std::string record_file;  ///< JSON lines, one per request seen (method, target, headers, body); empty: none
};

/// Runs on a thread of its own from construction to destruction.
class MockUpstream {
public:
    explicit MockUpstream(const MockOptions&);  ///< throws std::system_error: port taken, unusable file
    ~MockUpstream();
    std::uint16_t port() const;
    std::string base_url() const;  ///< `http://127.0.0.1:PORT/v1`; https with a certificate

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace streamkeeper
