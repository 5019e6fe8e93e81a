#include "cli/demo_client.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace streamkeeper::demo {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto patience = std::chrono::seconds(15);
constexpr int look_around_ms = 50;  ///< how soon Ctrl-C is seen

class Socket {
public:
    explicit Socket(std::uint16_t port) : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
        const std::string why = std::strerror(errno);
        ::close(descriptor_);
        throw Failure("nobody answers on 127.0.0.1:" + std::to_string(port) + ": " + why);
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() { ::close(descriptor_); }

    void send(std::string_view text) const {
        while (!text.empty()) {
            const ssize_t count = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) throw Failure(std::string("the request could not be sent: ") + std::strerror(errno));
            text.remove_prefix(static_cast<std::size_t>(count));
        }
    }

    /// Appends what comes next; false at the end.
    bool read(std::string& to, Clock::time_point until) const {
        pollfd ready{descriptor_, POLLIN, 0};
        while (::poll(&ready, 1, look_around_ms) != 1 && !interrupted())
            if (Clock::now() > until) throw Failure("no whole answer within 15 s");
        if (interrupted()) throw Failure("interrupted");
        std::array<char, 16384> bytes{};
        const ssize_t count = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
        if (count > 0) to.append(bytes.data(), static_cast<std::size_t>(count));
        return count > 0;
    }

private:
    int descriptor_;
};

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    return out;
}

void read_head(std::string_view head, Reply& reply) {
    if (head.size() > 12) std::from_chars(head.data() + 9, head.data() + 12, reply.status);
    for (std::size_t at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at + 2)) {
        const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
        const std::size_t colon = line.find(": ");
        if (colon != line.npos) reply.fields[lower(line.substr(0, colon))] = line.substr(colon + 2);
    }
}

/// Takes one whole chunk off `raw` into `data`; false if it has not arrived yet.
bool take_chunk(std::string& raw, std::string& data) {
    const std::size_t line = raw.find("\r\n");
    if (line == raw.npos) return false;
    std::size_t size = 0;
    std::from_chars(raw.data(), raw.data() + line, size, 16);
    if (raw.size() < line + 2 + size + 2) return false;
    data = raw.substr(line + 2, size);
    raw.erase(0, line + 2 + size + 2);
    return true;
}

/// The body's pieces as they come: chunks, or `length` bytes.
class Body {
public:
    Body(const Call& asked, Reply& reply) : call_(asked), reply_(reply) {
        chunked_ = reply.fields["transfer-encoding"] == "chunked";
        const std::string& length = reply.fields["content-length"];
        std::from_chars(length.data(), length.data() + length.size(), length_);
    }

    /// True once it is whole.
    bool take(std::string& raw) {
        if (!chunked_) {
            keep(raw);
            raw.clear();
            return reply_.body.size() >= length_;
        }
        for (std::string data; take_chunk(raw, data);) {
            if (data.empty()) return true;
            keep(data);
        }
        return false;
    }

private:
    void keep(std::string_view data) {
        reply_.body += data;
        if (call_.on_data && !data.empty()) call_.on_data(data);
    }

    const Call& call_;
    Reply& reply_;
    bool chunked_ = false;
    std::size_t length_ = 0;
};

}  // namespace

Reply call(const Call& asked) {
    const Clock::time_point began = Clock::now();
    const Socket socket(asked.port);
    std::string head =
        asked.method + " " + asked.target + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + asked.fields;
    if (!asked.body.empty())
        head += "Content-Type: application/json\r\nContent-Length: " + std::to_string(asked.body.size()) + "\r\n";
    socket.send(head + "\r\n" + asked.body);
    std::string raw;
    std::size_t end = raw.npos;
    while ((end = raw.find("\r\n\r\n")) == raw.npos)
        if (!socket.read(raw, began + patience)) throw Failure("the connection was closed without an answer");
    Reply reply;
    read_head(std::string_view(raw).substr(0, end), reply);
    raw.erase(0, end + 4);
    for (Body body(asked, reply); !reply.cut && !body.take(raw);) reply.cut = !socket.read(raw, began + patience);
    if (reply.cut && !asked.may_be_cut) throw Failure("the answer was cut");
    reply.took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
    return reply;
}

bool interrupted() {
    sigset_t waiting;
    ::sigpending(&waiting);
    return ::sigismember(&waiting, SIGINT) == 1 || ::sigismember(&waiting, SIGTERM) == 1;
}

}  // namespace streamkeeper::demo
