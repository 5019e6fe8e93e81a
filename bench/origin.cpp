/// The benchmark's upstream: answers chat completions from fixed text, as cheaply as epoll allows, so that what is
/// measured is the proxy in front of it. It speaks just enough HTTP/1.1 for proxies that frame with Content-Length.
///
/// usage: bench_origin [CERTIFICATE.pem KEY.pem]     prints `port N`, ends with its standard input
///
/// Request fields that steer an answer: `x-bench-events: N` (a stream of N events instead of JSON), `x-bench-gap-us: G`
/// (between them; the first goes out with the head), `x-bench-hold: 1` (head and one event, then silence).
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "answers.hpp"

namespace {

using namespace bench;
using Clock = std::chrono::steady_clock;
using Micros = std::chrono::microseconds;

struct Connection {
    int fd = -1;
    SSL* tls = nullptr;
    std::string in, out;
    std::size_t body_left = 0;
    bool reading_body = false, streaming = false, hold = false, wants_write = false;
    long events_left = 0;  ///< of the running stream, without its closing events
    Micros gap{};

    ~Connection() {
        if (tls) SSL_free(tls);
        if (fd >= 0) close(fd);
    }
    long read_some(char* to, std::size_t size) {
        return tls ? SSL_read(tls, to, static_cast<int>(size)) : read(fd, to, size);
    }
    long write_some(std::string_view from) {
        return tls ? SSL_write(tls, from.data(), static_cast<int>(from.size())) : write(fd, from.data(), from.size());
    }
    /// After a failed read or write: whether it is only a matter of waiting.
    bool would_block(long result) const {
        if (!tls) return result < 0 && errno == EAGAIN;
        int error = SSL_get_error(tls, static_cast<int>(result));
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    }
};

struct Due {
    Clock::time_point at;
    std::weak_ptr<Connection> connection;
    bool operator>(const Due& other) const { return at > other.at; }
};

class Origin {
public:
    explicit Origin(SSL_CTX* tls)
        : tls_(tls), epoll_(epoll_create1(0)), timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)) {
        listen_on_loopback();
        watch(timer_, EPOLLIN, EPOLL_CTL_ADD);
        watch(STDIN_FILENO, EPOLLIN, EPOLL_CTL_ADD);
    }

    void run() {
        std::printf("port %d\n", port_);
        std::fflush(stdout);
        epoll_event events[256];
        for (;;) {
            int count = epoll_wait(epoll_, events, 256, -1);
            for (int i = 0; i < count; ++i) {
                int fd = events[i].data.fd;
                if (fd == STDIN_FILENO) return;
                if (fd == timer_)
                    fire();
                else if (fd == listeners_[0] || fd == listeners_[1])
                    accept_all(fd);
                else if (auto found = connections_.find(fd); found != connections_.end())
                    serve(found->second);
            }
            arm();
        }
    }

private:
    void watch(int fd, unsigned events, int operation) {
        epoll_event event{};
        event.events = events;
        event.data.fd = fd;
        epoll_ctl(epoll_, operation, fd, &event);
    }

    /// The same port on 127.0.0.1 and, where there is IPv6, on ::1, so that `localhost` works whatever it means.
    void listen_on_loopback() {
        int on = 1;
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof v4;
        listeners_[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (bind(listeners_[0], reinterpret_cast<sockaddr*>(&v4), sizeof v4) != 0 || listen(listeners_[0], 4096) != 0) {
            std::perror("bench_origin: listen");
            std::exit(1);
        }
        getsockname(listeners_[0], reinterpret_cast<sockaddr*>(&v4), &size);
        port_ = ntohs(v4.sin_port);
        watch(listeners_[0], EPOLLIN, EPOLL_CTL_ADD);
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_addr = in6addr_loopback;
        v6.sin6_port = v4.sin_port;
        listeners_[1] = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
        setsockopt(listeners_[1], IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        if (bind(listeners_[1], reinterpret_cast<sockaddr*>(&v6), sizeof v6) == 0 && listen(listeners_[1], 4096) == 0)
            watch(listeners_[1], EPOLLIN, EPOLL_CTL_ADD);
    }

    void accept_all(int listener) {
        for (int fd; (fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)) >= 0;) {
            int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            auto connection = std::make_shared<Connection>();
            connection->fd = fd;
            if (tls_) {
                connection->tls = SSL_new(tls_);
                SSL_set_fd(connection->tls, fd);
                SSL_set_accept_state(connection->tls);
            }
            connections_[fd] = connection;
            watch(fd, EPOLLIN, EPOLL_CTL_ADD);
        }
    }

    void serve(std::shared_ptr<Connection> c) {
        char buffer[65536];
        for (;;) {
            long got = c->read_some(buffer, sizeof buffer);
            if (got <= 0) {
                if (!c->would_block(got)) return drop(*c);
                break;
            }
            c->in.append(buffer, static_cast<std::size_t>(got));
            if (!c->tls && got < static_cast<long>(sizeof buffer)) break;
        }
        while (take_request(c)) {
        }
        flush(*c);
    }

    static std::string_view field(std::string_view head, std::string_view name) {
        auto at = head.find(name);
        if (at == std::string_view::npos) return {};
        head.remove_prefix(at + name.size());
        return head.substr(0, head.find('\r'));
    }

    static long number(std::string_view text) {
        long value = 0;
        while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
        std::from_chars(text.data(), text.data() + text.size(), value);
        return value;
    }

    /// One request off the front of `in`; false if it is not complete or a stream is running.
    bool take_request(const std::shared_ptr<Connection>& c) {
        if (c->streaming) return false;
        if (!c->reading_body) {
            auto end = c->in.find("\r\n\r\n");
            if (end == std::string::npos) return false;
            std::string head = c->in.substr(0, end + 2);
            for (char& letter : head)
                if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter + 32);
            c->in.erase(0, end + 4);
            c->body_left = static_cast<std::size_t>(number(field(head, "\r\ncontent-length:")));
            c->events_left = number(field(head, "\r\nx-bench-events:"));
            c->gap = Micros(number(field(head, "\r\nx-bench-gap-us:")));
            c->hold = number(field(head, "\r\nx-bench-hold:")) != 0;
            c->reading_body = true;
        }
        auto taken = std::min(c->body_left, c->in.size());
        c->in.erase(0, taken);
        c->body_left -= taken;
        if (c->body_left > 0) return false;
        c->reading_body = false;
        answer(c);
        return true;
    }

    void answer(const std::shared_ptr<Connection>& c) {
        c->streaming = c->hold || c->events_left > 0;
        if (c->hold) {
            c->out += stream_head + event_chunk;
        } else if (c->events_left > 0) {
            c->out += stream_head;
            next_event(c, Clock::now());
        } else {
            c->out += json_text;
        }
    }

    void next_event(const std::shared_ptr<Connection>& c, Clock::time_point now) {
        do {
            c->out += event_chunk;
        } while (--c->events_left > 0 && c->gap.count() == 0);
        if (c->events_left > 0) {
            due_.push({now + c->gap, c});
        } else {
            c->out += stream_end;
            c->streaming = false;
        }
    }

    void fire() {
        std::uint64_t ticks;
        if (read(timer_, &ticks, sizeof ticks) < 0) return;
        auto now = Clock::now();
        while (!due_.empty() && due_.top().at <= now) {
            auto due = due_.top();
            due_.pop();
            auto connection = due.connection.lock();
            if (!connection) continue;
            next_event(connection, due.at);
            flush(*connection);
        }
        armed_ = {};
    }

    void arm() {
        if (due_.empty() || due_.top().at == armed_) return;
        armed_ = due_.top().at;
        auto since = armed_.time_since_epoch();
        auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
        itimerspec when{};
        when.it_value.tv_sec = seconds.count();
        when.it_value.tv_nsec = (since - seconds).count() | 1;
        timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
    }

    void flush(Connection& c) {
        while (!c.out.empty()) {
            long put = c.write_some(c.out);
            if (put <= 0) {
                if (!c.would_block(put)) return drop(c);
                break;
            }
            c.out.erase(0, static_cast<std::size_t>(put));
        }
        if (c.wants_write == c.out.empty()) {
            c.wants_write = !c.out.empty();
            watch(c.fd, c.wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
        }
    }

    void drop(Connection& c) { connections_.erase(c.fd); }

    SSL_CTX* tls_;
    int epoll_, timer_, listeners_[2] = {-1, -1}, port_ = 0;
    Clock::time_point armed_{};
    std::unordered_map<int, std::shared_ptr<Connection>> connections_;
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

SSL_CTX* server_context(const char* certificate, const char* key) {
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        std::fprintf(stderr, "bench_origin: can't use %s and %s\n", certificate, key);
        std::exit(1);
    }
    return context;
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    Origin(argc == 3 ? server_context(argv[1], argv[2]) : nullptr).run();
}
