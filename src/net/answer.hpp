/// Reads one response: its head, over any 1xx, then runs of payload. Never waits.
#pragma once

#include <string>
#include <string_view>

#include "net/buffer.hpp"
#include "net/transport.hpp"
#include "streamkeeper/framing.hpp"
#include "streamkeeper/head.hpp"

namespace streamkeeper::net {

/// Largest response head taken (contract, section 5).
inline constexpr std::size_t max_response_head = 256u << 10;

class Answer {
public:
    /// `scratch` is the core's: bytes in it do not outlive the turn, see `keep_unread`.
    Answer(Transport& from, char* scratch, std::size_t room) : from_(&from), scratch_(scratch), room_(room) {}

    enum class Read {
        ready,   ///< head(): the head is there; next(): `payload` is a run, or empty at a 1xx
        again,   ///< nothing more for now: ask for readiness
        done,    ///< the message is whole
        broken,  ///< against the rules; `problem()` says which
        closed,  ///< the connection ended in the middle
    };
    /// `to_head`: the request was HEAD. `upgrade`: 101 is an answer, not an interim one.
    Read read_head(bool to_head, bool upgrade);
    const http::ResponseHead& head() const { return head_; }

    /// The next run of payload, valid until the connection is read again.
    Read next(std::string_view& payload);
    /// The same from what was read already; `again`: all of that is used up, and `next` would overwrite it.
    Read next_of_read(std::string_view& payload);
    /// What lies unread in the scratch buffer is moved to safety; call it before a wait in the middle of a run.
    void keep_unread();
    /// After a 101: what came behind the head, and the stream's own bytes from then on.
    Read next_raw(std::string_view& bytes);

    bool began() const { return began_; }
    /// Head and body: a connection whose answer is still to come must not be used again.
    bool whole() const { return head_.status != 0 && body_.done(); }
    bool has_unread() const { return !unread_.empty(); }
    const std::string& problem() const { return problem_; }

private:
    Read refill();
    Transport* from_;
    char* scratch_;
    std::size_t room_;
    Buffer kept_;             ///< bytes that had to outlive their turn
    std::string head_bytes_;  ///< what head_ points into
    http::ResponseHead head_;
    http::BodyDecoder body_;
    std::string_view unread_;
    std::string problem_;
    std::size_t interim_ = 0;  ///< bytes of 1xx heads
    bool began_ = false, drained_ = false;
};

}  // namespace streamkeeper::net
