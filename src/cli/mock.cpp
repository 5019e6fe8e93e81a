#include <arpa/inet.h>
#include <sys/resource.h>

#include <charconv>
#include <csignal>
#include <iostream>
#include <optional>
#include <stdexcept>
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

int serve_until_signal(const MockOptions& options) {
    // Blocked before the mock's thread exists, so that it inherits the mask and sigwait alone takes the signals.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    const MockUpstream upstream(options);
    const std::string key = upstream.takes_default_key() ? MockOptions().key : "as given";
    std::cout << "mock upstream on " << upstream.base_url() << " (key " << key << ")" << std::endl;
    int received = 0;
    sigwait(&signals, &received);
    return 0;
}

}  // namespace

int run_mock(const MockFlags& flags) {
    MockOptions options;
    const auto place = parse_listen(flags.listen.empty() ? "127.0.0.1:0" : flags.listen);
    if (!place) return fail("'" + flags.listen + "' is no ADDRESS:PORT (like 127.0.0.1:8818 or [::1]:0)");
    if (flags.certificate.empty() != flags.certificate_key.empty())
        return fail("a certificate and its key go together");
    options.address = place->address;
    options.port = place->port;
    if (!flags.keys.empty()) options.key = flags.keys.front();
    if (options.key.empty()) return fail("an empty --key");
    if (flags.record_tokens && flags.record.empty()) return fail("--record-tokens needs --record FILE");
    options.more_keys.assign(flags.keys.begin() + (flags.keys.empty() ? 0 : 1), flags.keys.end());
    options.script_file = flags.script;
    options.limits = flags.limits;
    options.record_file = flags.record;
    options.record_tokens = flags.record_tokens;
    options.tls_certificate = flags.certificate;
    options.tls_key = flags.certificate_key;
    raise_descriptor_limit();
    try {
        return serve_until_signal(options);
    } catch (const std::invalid_argument& mistakes) {
        std::cerr << mistakes.what();
        return 1;
    } catch (const std::system_error& error) {
        return fail(error.what());
    }
}

}  // namespace streamkeeper
