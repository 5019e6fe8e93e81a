#include "net/tls.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstring>
#include <stdexcept>

namespace streamkeeper::net {

/// The newest session the server gave; a TLS 1.3 server gives several, the last is the freshest.
struct TlsContext::Sessions {
    SSL_SESSION* newest = nullptr;
    ~Sessions() { SSL_SESSION_free(newest); }
};

namespace {

int keep_session(SSL* ssl, SSL_SESSION* session) {
    auto* const sessions = static_cast<TlsContext::Sessions*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    SSL_SESSION_free(sessions->newest);
    sessions->newest = session;
    return 1;
}

bool is_ip_literal(const std::string& host) {
    unsigned char address[16];
    return inet_pton(AF_INET, host.c_str(), address) == 1 || inet_pton(AF_INET6, host.c_str(), address) == 1;
}

std::string queued_error() {
    const unsigned long code = ERR_peek_last_error();
    char text[256] = "";
    if (code != 0) ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return text;
}

/// The hashed directory is read certificate by certificate as needed; the bundle would cost megabytes at once.
void trust_system(SSL_CTX* context) {
    const bool named = std::getenv("SSL_CERT_FILE") || std::getenv("SSL_CERT_DIR");
    if (named || SSL_CTX_set_default_verify_dir(context) != 1 ||
        access("/etc/ssl/certs/ca-certificates.crt", R_OK) != 0)
        SSL_CTX_set_default_verify_paths(context);
}

}  // namespace

TlsContext::TlsContext(std::string host, const std::filesystem::path& ca_file)
    : host_(std::move(host)), context_(SSL_CTX_new(TLS_client_method())), sessions_(std::make_unique<Sessions>()) {
    if (!context_) throw std::runtime_error("OpenSSL: " + queued_error());
    SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context_,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context_, 1);  // a record's head and body in one system call
    SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(context_, sessions_.get());
    SSL_CTX_sess_set_new_cb(context_, keep_session);
    static const unsigned char http11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    SSL_CTX_set_alpn_protos(context_, http11, sizeof http11);
    trust_system(context_);
    if (!ca_file.empty() && SSL_CTX_load_verify_file(context_, ca_file.c_str()) != 1) {
        SSL_CTX_free(context_);
        throw std::runtime_error("tls.ca_file " + ca_file.string() + " can't be read: " + queued_error());
    }
    ERR_clear_error();
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

ssl_st* TlsContext::open(int descriptor) {
    SSL* const ssl = SSL_new(context_);
    if (!ssl) return nullptr;
    SSL_set_fd(ssl, descriptor);
    SSL_set_connect_state(ssl);
    if (is_ip_literal(host_)) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host_.c_str());
    } else {
        SSL_set_tlsext_host_name(ssl, host_.c_str());
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        SSL_set1_host(ssl, host_.c_str());
    }
    if (sessions_->newest) SSL_set_session(ssl, sessions_->newest);
    return ssl;
}

std::string handshake_error(ssl_st* ssl, bool& certificate) {
    const long verified = SSL_get_verify_result(ssl);
    certificate = verified != X509_V_OK;
    if (!certificate) {
        const std::string text = queued_error();
        return text.empty() ? "the connection was closed in the TLS handshake" : text;
    }
    ERR_clear_error();
    std::string text = X509_verify_cert_error_string(verified);
    if (verified == X509_V_ERR_CERT_HAS_EXPIRED || verified == X509_V_ERR_CERT_NOT_YET_VALID)
        text += "; check this machine's clock too";
    if (verified == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN || verified == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
        verified == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT)
        text += "; if a company's proxy inspects TLS, name its certificate in tls.ca_file";
    return text;
}

}  // namespace streamkeeper::net
