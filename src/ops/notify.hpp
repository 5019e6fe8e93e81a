/// systemd's protocols: sd_notify(3), socket activation (sd_listen_fds(3)) and the watchdog. A few lines each, so that
/// no library is needed and all of it runs without PID 1.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

namespace streamkeeper {

/// Sends a state to $NOTIFY_SOCKET; does nothing without one.
void notify_systemd(std::string_view state);

/// Sockets passed by systemd (LISTEN_FDS, for this process only); the variables are taken out of the environment.
std::vector<int> inherited_sockets();

/// How often WATCHDOG=1 is due: half of $WATCHDOG_USEC, if it is meant for this process.
std::optional<std::chrono::milliseconds> watchdog_interval();

}  // namespace streamkeeper
