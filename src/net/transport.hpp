/// A connected byte stream, plain or TLS, with non-blocking reads and writes straight on the descriptor: it holds no
/// buffers, so an idle connection costs next to nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "net/reactor.hpp"

struct ssl_st;

namespace streamkeeper::net {

class TlsContext;

/// What one read or write did.
struct Io {
    enum class State { ok, again, end, error };
    State state = State::again;
    std::size_t bytes = 0;
    bool drained = false;  ///< a read: nothing more waits; ask for readiness before the next one
    int error = 0;         ///< errno, 0 for an error of TLS
};

class Transport {
public:
    Transport();
    Transport(Reactor&, int descriptor);
    Transport(Transport&& other) noexcept;
    Transport& operator=(Transport&& other) noexcept;
    ~Transport();

    bool open() const { return watch_.open(); }
    bool tls() const { return tls_ != nullptr; }
    Watch& watch() { return watch_; }

    /// Begins TLS; drive it with `handshake` until it says something else than `again`. `wants_write` tells for what.
    bool start_tls(TlsContext&);
    Io handshake(bool& wants_write);
    ssl_st* ssl();

    Io read(char* to, std::size_t room);
    /// Writes the pieces in order; `bytes` may be fewer than all, then the state is `again`.
    Io write(std::span<const std::string_view> pieces);
    /// The peer has closed, or sent bytes nobody asked for: the connection can't be used again.
    bool stale();
    /// Bytes behind the answer lie in TLS's own buffer.
    bool has_surplus() const;
    void finish_writing();  ///< half-close: the peer reads to the end
    void close();
    /// Closes with RST, so that the peer sees at once that the message was cut.
    void abort();

private:
    Io plain_write(std::span<const std::string_view> pieces);
    Io tls_write(std::span<const std::string_view> pieces);
    Io tls_result(int result);
    struct Tls;
    Watch watch_;
    std::unique_ptr<Tls> tls_;
};

}  // namespace streamkeeper::net
