/// The only writer to a client. What the socket does not take at once is kept, and must be gone before more is read
/// from the upstream (back pressure).
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "net/buffer.hpp"
#include "net/transport.hpp"

namespace streamkeeper::net {

class ClientWriter {
public:
    explicit ClientWriter(Transport& client) : client_(client) {}

    void send(std::span<const std::string_view> pieces);
    void send(std::string_view bytes) { send(std::span(&bytes, 1)); }
    /// The pieces as one chunk of a chunked body (RFC 9112, 7.1), behind `before` as it is; `last`: the body ends
    /// there.
    void send_chunk(std::string_view before, std::span<const std::string_view> pieces, bool last = false);

    bool pending() const { return !kept_.empty(); }
    /// Tries again to write what was kept. True if it got rid of some.
    bool flush();
    /// The client's side of the connection is broken.
    bool failed() const { return failed_; }
    std::uint64_t bytes() const { return bytes_; }

private:
    Transport& client_;
    Buffer kept_;
    std::vector<std::string_view> gathered_;
    std::uint64_t bytes_ = 0;
    bool failed_ = false;
};

}  // namespace streamkeeper::net
