#include <arpa/inet.h>
#include <sys/resource.h>

#include <charconv>
#include <csignal>
#include <iostream>
#include <optional>
#include <system_error>

#include "cli/mock_verb.hpp"
#include "streamkeeper/mock.hpp"

namespace streamkeeper {
namespace {

struct Listen {
    std::string address;
    std::uint16_t port = 0;
};

/// `127.0.0.1:8000`, `[::1]:0`, `localhost:8000`.
std::optional<Listen> parse_listen(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos) return std::nullopt;
    Listen listen{text.substr(0, colon), 0};
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, listen.port);
    if (error != std::errc() || stop != end) return std::nullopt;
    if (listen.address == "localhost") listen.address = "127.0.0.1";
    const bool bracketed = listen.address.size() > 2 && listen.address.front() == '[' && listen.address.back() == ']';
    if (bracketed) listen.address = listen.address.substr(1, listen.address.size() - 2);
    in6_addr storage{};
    if (inet_pton(bracketed ? AF_INET6 : AF_INET, listen.address.c_str(), &storage) != 1) return std::nullopt;
    return listen;
}

bool is_loopback(const std::string& address) { return address.rfind("127.", 0) == 0 || address == "::1"; }

int fail(const std::string& message) {
    std::cerr << "streamkeeper mock: " << message << std::endl;
    return 1;
}

/// Thousands of idle streams need as many descriptors.
void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int serve_until_signal(const MockOptions& options, const std::string& shown_key) {
    // Blocked before the mock's thread exists, so that it inherits the mask and sigwait alone takes the signals.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    const MockUpstream upstream(options);
    std::cout << "mock upstream on " << upstream.base_url() << " (key " << shown_key << ")" << std::endl;
    int received = 0;
    sigwait(&signals, &received);
    return 0;
}

}  // namespace

int run_mock(const std::string& listen, const std::string& key, const std::string& record,
             const std::string& certificate, const std::string& certificate_key) {
    MockOptions options;
    const std::string well_known = options.key;
    const auto place = parse_listen(listen.empty() ? "127.0.0.1:0" : listen);
    if (!place) return fail("'" + listen + "' is no ADDRESS:PORT (like 127.0.0.1:8818 or [::1]:0)");
    const bool own_key = !key.empty() && key != well_known;
    if (!own_key && !is_loopback(place->address))
        return fail(place->address + " is not loopback: give a key of your own with --key");
    if (certificate.empty() != certificate_key.empty()) return fail("a certificate and its key go together");
    options.address = place->address;
    options.port = place->port;
    if (own_key) options.key = key;
    options.record_file = record;
    options.tls_certificate = certificate;
    options.tls_key = certificate_key;
    raise_descriptor_limit();
    try {
        return serve_until_signal(options, own_key ? "as given" : well_known);
    } catch (const std::system_error& error) {
        return fail(error.what());
    }
}

}  // namespace streamkeeper
