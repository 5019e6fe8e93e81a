/// TLS towards an upstream: one context for each, shared by all its connections.
///
/// TLS 1.2 or newer, the system's store and `tls.ca_file`, SNI, host check, ALPN http/1.1, session reuse. There is no
/// switch that skips verification.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

struct ssl_st;
struct ssl_ctx_st;

namespace streamkeeper::net {

class TlsContext {
public:
    /// `host` is what the certificate must be for. Throws std::runtime_error if `ca_file` can't be read.
    TlsContext(std::string host, const std::filesystem::path& ca_file);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    /// A client-side SSL on this descriptor, ready for its handshake; resumes the last session if there is one.
    ssl_st* open(int descriptor);
    struct Sessions;

private:
    std::string host_;
    ssl_ctx_st* context_;
    std::unique_ptr<Sessions> sessions_;
};

/// Why a handshake failed, in words; `certificate` is set if it is the certificate that was refused.
std::string handshake_error(ssl_st*, bool& certificate);

}  // namespace streamkeeper::net
