// Listening sockets: opened or inherited, and the accept loops of the core.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/core.hpp"
#include "net/session.hpp"

namespace streamkeeper::net {

namespace {

constexpr int backlog = 1024;

std::string why(const std::string& what, int error) { return what + ": " + std::strerror(error); }

int open_tcp(const ListenAddress& address, std::string& problem) {
    const Address endpoint = Address::parse(address.host, address.port);
    const int fd = ::socket(endpoint.v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return problem = why(address.text, errno), -1;
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (endpoint.v6()) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(endpoint.storage), endpoint.size) == 0 &&
        ::listen(fd, backlog) == 0)
        return fd;
    const int error = errno;
    ::close(fd);
    problem = why("can't listen on " + address.text, error);
    if (error == EADDRINUSE)
        problem +=
            " (another streamkeeper, or another program, holds the port; `ss -ltnp` shows which; or set another "
            "`listen`)";
    return -1;
}

/// A socket file that nobody listens on is what a killed daemon left behind.
void remove_stale(const sockaddr_un& address) {
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) return;
    const bool alive = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    struct stat file{};
    if (!alive && errno == ECONNREFUSED && ::stat(address.sun_path, &file) == 0 && S_ISSOCK(file.st_mode))
        ::unlink(address.sun_path);
    ::close(probe);
}

int open_unix(const ListenAddress& address, std::string& problem) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (address.host.size() >= sizeof name.sun_path)
        return problem = address.text + ": the path is too long for a Unix socket", -1;
    std::memcpy(name.sun_path, address.host.data(), address.host.size());
    remove_stale(name);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return problem = why(address.text, errno), -1;
    const mode_t mask = ::umask(0117);  // this user and group only
    const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
    ::umask(mask);
    if (bound && ::listen(fd, backlog) == 0) return fd;
    problem = why("can't listen on " + address.text, errno);
    ::close(fd);
    return -1;
}

/// Where an inherited or bound socket really is: port 0 became a number.
void read_back(int fd, ListenAddress& address) {
    Address endpoint;
    socklen_t size = sizeof endpoint.storage;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(endpoint.storage), &size) != 0) return;
    const auto* const any = reinterpret_cast<const sockaddr*>(endpoint.storage);
    if (any->sa_family == AF_UNIX) {
        address.kind = ListenAddress::Kind::unix_socket;
        address.host = reinterpret_cast<const sockaddr_un*>(any)->sun_path;
        address.text = "unix:" + address.host;
        return;
    }
    if (any->sa_family != AF_INET && any->sa_family != AF_INET6) return;
    endpoint.size = size;
    address.kind = ListenAddress::Kind::tcp;
    address.text = endpoint.text();
    const std::size_t colon = address.text.rfind(':');
    address.host = endpoint.v6() ? address.text.substr(1, colon - 2) : address.text.substr(0, colon);
    address.port = static_cast<std::uint16_t>(std::stoi(address.text.substr(colon + 1)));
}

bool ipv6_missing(const ListenAddress& address, const std::string& problem) {
    return address.host == "::1" &&
           (problem.find("Cannot assign") != std::string::npos || problem.find("not supported") != std::string::npos);
}

}  // namespace

std::string Core::open_listener(const ListenAddress& wanted, bool metrics_only, int inherited) {
    std::string problem;
    auto listener = std::make_unique<Listener>();
    listener->address = wanted;
    listener->metrics_only = metrics_only;
    listener->inherited = inherited >= 0;
    int fd = inherited;
    if (fd < 0) fd = wanted.kind == ListenAddress::Kind::tcp ? open_tcp(wanted, problem) : open_unix(wanted, problem);
    if (fd < 0) return problem;
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    read_back(fd, listener->address);
    listener->watch = Watch(reactor, fd);
    listeners_.push_back(std::move(listener));
    return {};
}

std::string Core::listen(const std::vector<int>& inherited) {
    if (std::string problem = reconfigure(config); !problem.empty()) return problem;
    for (const int fd : inherited)
        if (std::string problem = open_listener({}, false, fd); !problem.empty()) return problem;
    if (inherited.empty()) {
        for (const ListenAddress& address : config->listen) {
            const std::string problem = open_listener(address, false, -1);
            if (problem.empty()) continue;
            // A machine without IPv6 must not need another configuration.
            if (!ipv6_missing(address, problem) || config->listen.size() == 1) return problem;
            log(LogLevel::warning, problem + "; going on without it");
        }
    }
    if (config->metrics.listen)
        if (std::string problem = open_listener(*config->metrics.listen, true, -1); !problem.empty()) return problem;
    refresh_rules();
    if (connection_cap() < config->limits.connections)
        log(LogLevel::warning, "only " + std::to_string(descriptor_limit_) +
                                   " file descriptors may be open (RLIMIT_NOFILE): at most " +
                                   std::to_string(connection_cap()) + " connections are served at once");
    for (const std::unique_ptr<Listener>& listener : listeners_) accept_from(*this, *listener);
    return {};
}

/// Waits for the next notice of an event.
struct WaitFor {
    Event& event;
    bool await_ready() const { return event.take_notice(); }
    void await_suspend(std::coroutine_handle<> waiter) const { event.suspend(waiter); }
    void await_resume() const {}
};

Detached Core::accept_from(Core& core, Listener& listener) {
    listener.watch.owner(&listener.ready);
    for (;;) {
        while (core.accept_one(listener)) {
        }
        const WaitFor readiness{listener.ready};
        co_await readiness;
        if (listener.closing) co_return;
    }
}

void Core::close_listeners() {
    for (const std::unique_ptr<Listener>& listener : listeners_) {
        const bool ours = listener->address.kind == ListenAddress::Kind::unix_socket && !listener->inherited;
        if (ours) ::unlink(listener->address.host.c_str());
        listener->closing = true;
        listener->ready.notify();  // its accept loop ends before it does
    }
    listeners_.clear();
}

static bool somebody_waits(int listening) {
    pollfd ready{listening, POLLIN, 0};
    return ::poll(&ready, 1, 0) == 1;
}

bool Core::accept_one(Listener& listener) {
    if (sessions_.size() >= connection_cap()) {
        if (!somebody_waits(listener.watch.descriptor())) return false;  // nobody is closed for nobody
        if (!make_room()) {
            accepting_paused_ = true;
            return false;
        }
    }
    const int fd = ::accept4(listener.watch.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        const int on = 1;
        if (listener.address.kind == ListenAddress::Kind::tcp)
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        Session::run(std::make_shared<Session>(*this, listener.rules, fd));
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // Asking again at once would spin: the connection stays in the backlog until something is closed.
        accepting_paused_ = true;
        accept_alarm_.set(Duration(1000));
        log(LogLevel::warning, why("accepting connections pauses", errno));
        return false;
    }
    if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO) return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        log(LogLevel::error, why("can't accept on " + listener.address.text, errno));
    return false;
}

bool Core::make_room() {
    Session* longest = nullptr;
    for (Session* const session : sessions_)
        if (session->idle() && (!longest || session->idle_since() < longest->idle_since())) longest = session;
    if (!longest) return false;
    longest->shared_from_this()->end_if_idle();
    return sessions_.size() < connection_cap();
}

void Core::accept_again() {
    accepting_paused_ = false;
    for (std::size_t i = 0; i < listeners_.size(); ++i) listeners_[i]->ready.notify();
}

}  // namespace streamkeeper::net
