#include "ops/notify.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

namespace streamkeeper {

namespace {

constexpr int first_inherited = 3;  // SD_LISTEN_FDS_START

long number_from(const char* name) {
    const char* const text = std::getenv(name);
    return text ? std::strtol(text, nullptr, 10) : 0;
}

}  // namespace

void notify_systemd(std::string_view state) {
    const char* const path = std::getenv("NOTIFY_SOCKET");
    if (!path || (path[0] != '/' && path[0] != '@')) return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t length = std::strlen(path);
    if (length >= sizeof address.sun_path) return;
    std::memcpy(address.sun_path, path, length);
    if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract socket
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
    (void)!::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
    ::close(fd);
}

std::vector<int> inherited_sockets() {
    std::vector<int> sockets;
    if (number_from("LISTEN_PID") == ::getpid()) {
        for (long i = 0; i < number_from("LISTEN_FDS"); ++i) {
            const int fd = first_inherited + static_cast<int>(i);
            ::fcntl(fd, F_SETFD, FD_CLOEXEC);
            sockets.push_back(fd);
        }
    }
    for (const char* const name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
    return sockets;
}

std::optional<std::chrono::milliseconds> watchdog_interval() {
    const long micros = number_from("WATCHDOG_USEC");
    const long pid = number_from("WATCHDOG_PID");
    if (micros <= 0 || (pid != 0 && pid != ::getpid())) return std::nullopt;
    return std::chrono::milliseconds(micros / 2000 > 0 ? micros / 2000 : 1);
}

}  // namespace streamkeeper
