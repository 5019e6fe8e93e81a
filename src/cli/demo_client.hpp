/// A small blocking HTTP client for the demo: real sockets, one connection a request, and nothing of the daemon's own
/// framing, so that what it shows is what a tool would see.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

namespace streamkeeper::demo {

/// A step did not give what it should; the text says which and what came instead.
struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Call {
    std::uint16_t port = 0;
    std::string method = "GET", target, body;
    std::string fields;                             ///< further header lines, each with its CR LF
    std::function<void(std::string_view)> on_data;  ///< each piece of the body as it arrives
    bool may_be_cut = false;                        ///< an answer that breaks off is a Reply as well
};

struct Reply {
    int status = 0;
    std::map<std::string, std::string> fields;  ///< names in lower case
    std::string body;
    std::chrono::milliseconds took{0};
    bool cut = false;  ///< the connection ended before the body did
};

/// Throws Failure if no whole answer comes within 15 s, or if Ctrl-C was pressed meanwhile.
Reply call(const Call&);

/// SIGINT or SIGTERM is waiting (both are blocked while the demo runs).
bool interrupted();

}  // namespace streamkeeper::demo
