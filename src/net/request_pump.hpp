/// Sends one request: its head, then its body, which lies in memory or still comes from the client. Never waits: `pump`
/// does what can be done now and says what it needs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/buffer.hpp"
#include "net/transport.hpp"
#include "streamkeeper/framing.hpp"

namespace streamkeeper::net {

class Session;

class RequestPump {
public:
    /// The whole body is there. `body` stays valid as long as the pump.
    RequestPump(std::string head, std::vector<std::string_view> body);
    /// The body comes from the session and is re-framed: chunks are made anew, trailers are dropped.
    RequestPump(std::string head, http::BodyDecoder from_client, bool chunked);

    enum class State {
        done,
        blocked,          ///< the upstream takes no more for now
        starved,          ///< the client's next bytes are needed
        upstream_failed,  ///< write error; an answer may still be readable
        client_broken,    ///< the framing of the client's body is against the rules
    };
    State pump(Session&, Transport& to);
    State state() const { return state_; }
    std::string_view head() const { return head_; }
    bool began() const { return written_ > 0; }
    std::uint64_t written() const { return written_; }

private:
    State write(Transport& to, std::vector<std::string_view>& pieces);
    State pump_memory(Transport& to);
    State pump_stream(Session&, Transport& to);

    std::string head_;
    std::vector<std::string_view> pieces_;  ///< of a body in memory, the head first
    http::BodyDecoder decoder_;
    bool streaming_ = false, chunked_ = false, head_sent_ = false, last_chunk_sent_ = false;
    Buffer kept_;  ///< framed bytes that the socket did not take
    std::uint64_t written_ = 0;
    State state_ = State::starved;
};

}  // namespace streamkeeper::net
