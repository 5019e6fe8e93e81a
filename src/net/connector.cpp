#include "net/connector.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "net/core.hpp"
#include "streamkeeper/forwarding.hpp"

namespace streamkeeper::net {

namespace {

constexpr Duration addresses_stay_fresh{30'000};
constexpr Duration resolver_may_take{1'000};  ///< before last good addresses are used instead
constexpr Duration attempt_delay{250};        // RFC 8305, 5: Connection Attempt Delay

/// What interrupts a connect, if anything did.
std::optional<Connected> interrupted(Session& session, Wake why) {
    if (why == Wake::client_gone) return Connected{{}, Cause::client_gone, "", {}, {}};
    if (why == Wake::shutdown) return Connected{{}, Cause::shutdown, "", {}, {}};
    const std::optional<Deadline> passed = session.passed();
    if (why != Wake::deadline || !passed || passed == Deadline::stagger) return std::nullopt;
    return Connected{
        {}, Cause::timeout, passed == Deadline::connect ? "timeouts.connect passed" : "timeouts.total passed", {}, {}};
}

void start_resolving(Session& session, const std::shared_ptr<UpstreamState>& state) {
    Addresses& addresses = state->addresses();
    if (addresses.resolving) return;
    addresses.resolving = true;
    session.core.reactor.resolve(state->hop().host, state->hop().port,
                                 [state](std::error_code error, std::vector<Address> found) {
                                     Addresses& result = state->addresses();
                                     result.resolving = false;
                                     result.error = error ? error.message() : std::string();
                                     if (!error && !found.empty()) {
                                         result.known = std::move(found);
                                         result.resolved_at = Clock::now();
                                     }
                                     for (const std::weak_ptr<Session>& waiting : std::exchange(result.waiting, {}))
                                         if (const std::shared_ptr<Session> woken = waiting.lock())
                                             woken->wake.notify();
                                 });
}

/// The families take turns, beginning with the resolver's own first choice (RFC 8305, 4).
std::vector<Address> interleaved(const std::vector<Address>& sorted) {
    std::vector<Address> first, second, result;
    for (const Address& endpoint : sorted) (endpoint.v6() == sorted.front().v6() ? first : second).push_back(endpoint);
    for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
        if (i < first.size()) result.push_back(first[i]);
        if (i < second.size()) result.push_back(second[i]);
    }
    return result;
}

struct Resolving {
    std::vector<Address> addresses;
    std::optional<Connected> failure;
};

Task<Resolving> addresses_of(Session& session, std::shared_ptr<UpstreamState> state) {
    const Hop& route = state->hop();
    const Address literal = Address::parse(route.host, route.port);
    if (literal.size > 0) co_return Resolving{{literal}, std::nullopt};
    Addresses& addresses = state->addresses();
    const bool fresh = !addresses.known.empty() && Clock::now() - addresses.resolved_at < addresses_stay_fresh;
    if (fresh) co_return Resolving{interleaved(addresses.known), std::nullopt};
    start_resolving(session, state);
    if (!addresses.known.empty())
        session.deadlines.set(Deadline::stagger, session.core.reactor.now(), resolver_may_take);
    addresses.waiting.push_back(session.weak_from_this());
    while (addresses.resolving) {
        const Wake why = co_await session.wait();
        if (std::optional<Connected> stop = interrupted(session, why)) co_return Resolving{{}, std::move(stop)};
        if (why == Wake::deadline) break;  // slow: the last good addresses serve meanwhile
    }
    session.deadlines.clear(Deadline::stagger);
    if (!addresses.known.empty()) co_return Resolving{interleaved(addresses.known), std::nullopt};
    co_return Resolving{
        {}, Connected{{}, Cause::dns, "the name " + route.host + " can't be resolved: " + addresses.error, {}, {}}};
}

/// Starts a TCP connect. A transport that is not open: `problem` says why.
Transport start_connect(Session& session, const Address& endpoint, std::string& problem) {
    const int fd = ::socket(endpoint.v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        problem = std::strerror(errno);
        return {};
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);  // a silent stream on a dead network ends some day
    if (::connect(fd, reinterpret_cast<const sockaddr*>(endpoint.storage), endpoint.size) != 0 &&
        errno != EINPROGRESS) {
        problem = endpoint.text() + ": " + std::strerror(errno);
        ::close(fd);
        return {};
    }
    Transport transport(session.core.reactor, fd);
    transport.watch().owner(&session.wake);
    return transport;
}

struct Dialling {
    Transport transport;
    Address endpoint;
};

/// The first connection that is up, if any; those that failed are closed.
Transport first_connected(std::vector<Dialling>& dialling, std::string& problem) {
    for (auto one = dialling.begin(); one != dialling.end();) {
        if (!one->transport.watch().take_writable()) {
            ++one;
            continue;
        }
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(one->transport.watch().descriptor(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error == 0) {
            Transport connected = std::move(one->transport);
            return connected;
        }
        problem = one->endpoint.text() + ": " + std::strerror(error);
        one = dialling.erase(one);
    }
    return {};
}

Task<Connected> dial(Session& session, std::vector<Address> addresses) {
    std::vector<Dialling> dialling;
    std::string problem;
    std::size_t next = 0;
    for (;;) {
        const bool due = session.passed() == Deadline::stagger;
        if (next < addresses.size() && (dialling.empty() || due)) {
            Transport started = start_connect(session, addresses[next], problem);
            if (started.open()) dialling.push_back({std::move(started), addresses[next]});
            ++next;
            if (next < addresses.size())
                session.deadlines.set(Deadline::stagger, session.core.reactor.now(), attempt_delay);
            else
                session.deadlines.clear(Deadline::stagger);
            continue;
        }
        if (dialling.empty()) co_return Connected{{}, Cause::connect, problem, {}, {}};
        const Wake why = co_await session.wait();
        if (std::optional<Connected> stop = interrupted(session, why)) {
            if (stop->cause == Cause::timeout) stop->cause = Cause::connect;
            co_return std::move(*stop);
        }
        Transport connected = first_connected(dialling, problem);
        if (connected.open()) {
            session.deadlines.clear(Deadline::stagger);
            co_return Connected{std::move(connected), Cause::answered, "", {}, {}};
        }
    }
}

/// CONNECT through a proxy (RFC 9110, 9.3.6), for http upstreams too: one mechanism for both.
Task<Connected> tunnel(Session& session, std::shared_ptr<UpstreamState> state, Connected connected) {
    const BaseUrl& base = state->config().base_url;
    const std::string host = base.host.find(':') == std::string::npos ? base.host : "[" + base.host + "]";
    const std::string authority = host + ":" + std::to_string(base.port);
    std::string request = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
    if (!state->hop().proxy_authorization.empty())
        request += "Proxy-Authorization: " + state->hop().proxy_authorization + "\r\n";
    request += "\r\n";
    const std::string_view piece = request;
    connected.transport.write(std::span(&piece, 1));  // a fresh socket takes so little at once
    std::string answer;
    while (answer.find("\r\n\r\n") == std::string::npos && answer.size() < 16384) {
        char byte;
        const Io io = connected.transport.read(&byte, 1);  // byte by byte: what follows belongs to the upstream
        if (io.state == Io::State::ok) {
            answer.push_back(byte);
            continue;
        }
        if (io.state != Io::State::again) break;
        if (connected.transport.watch().take_readable()) continue;
        const Wake why = co_await session.wait();
        if (std::optional<Connected> stop = interrupted(session, why)) {
            if (stop->cause == Cause::timeout) {
                stop->cause = Cause::proxy;
                stop->detail = "the proxy named by " + state->hop().proxy_name + " does not answer: " + stop->detail;
            }
            co_return std::move(*stop);
        }
    }
    const auto parsed = http::read_response_head(answer, 16384, true);
    const auto* const head = std::get_if<http::ResponseHead>(&parsed);
    if (head && head->status / 100 == 2) co_return connected;
    const std::string said = head ? std::to_string(head->status) + " " + std::string(head->reason) : "no HTTP answer";
    co_return Connected{
        {}, Cause::proxy, "the proxy named by " + state->hop().proxy_name + " refused CONNECT: " + said, {}, {}};
}

Task<Connected> secure(Session& session, std::shared_ptr<UpstreamState> state, Connected connected) {
    const TimePoint began = Clock::now();
    if (!connected.transport.start_tls(*state->tls()))
        co_return Connected{{}, Cause::tls, "out of memory for TLS", {}, {}};
    for (;;) {
        bool wants_write = false;
        const Io io = connected.transport.handshake(wants_write);
        if (io.state == Io::State::ok) break;
        if (io.state != Io::State::again) {
            bool certificate = false;
            std::string why = handshake_error(connected.transport.ssl(), certificate);
            co_return Connected{{}, certificate ? Cause::certificate : Cause::tls, std::move(why), {}, {}};
        }
        Watch& watch = connected.transport.watch();
        if (wants_write ? watch.take_writable() : watch.take_readable()) continue;
        const Wake why = co_await session.wait();
        if (std::optional<Connected> stop = interrupted(session, why)) {
            if (stop->cause == Cause::timeout) stop->cause = Cause::tls;
            co_return std::move(*stop);
        }
    }
    connected.securing = Clock::now() - began;
    co_return connected;
}

}  // namespace

Task<Connected> connect(Session& session, std::shared_ptr<UpstreamState> state, Duration limit) {
    const TimePoint began = Clock::now();
    session.deadlines.set(Deadline::connect, began, limit);
    Resolving found = co_await addresses_of(session, state);
    Connected connected;
    if (found.failure) {
        connected = std::move(*found.failure);
        if (connected.cause == Cause::timeout) connected.cause = Cause::dns;
    } else {
        connected = co_await dial(session, std::move(found.addresses));
    }
    if (connected.cause == Cause::connect && state->hop().via_proxy) {
        connected.cause = Cause::proxy;
        connected.detail = "the proxy named by " + state->hop().proxy_name + " can't be reached: " + connected.detail;
    }
    if (connected.cause == Cause::answered && state->hop().via_proxy)
        connected = co_await tunnel(session, state, std::move(connected));
    connected.connecting = Clock::now() - began;
    const Clock::duration connecting = connected.connecting;
    if (connected.cause == Cause::answered && state->tls())
        connected = co_await secure(session, state, std::move(connected));
    connected.connecting = connecting;
    session.deadlines.clear(Deadline::connect);
    session.deadlines.clear(Deadline::stagger);
    co_return connected;
}

}  // namespace streamkeeper::net
