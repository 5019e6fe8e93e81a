/// Outcome: how one try at a target ended, in the words that retrying needs.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "streamkeeper/vendor_error.hpp"
#include "streamkeeper/wait_hint.hpp"

namespace streamkeeper {

/// How far an attempt had come when it ended.
enum class Phase {
    connecting,     ///< nothing was sent
    sending,        ///< some of the request was sent, nothing of the answer came
    awaiting_head,  ///< all was sent, no complete response head
    before_output,  ///< a head came, the client has seen nothing of the answer
    after_output,   ///< the client has seen output
};

/// What ended it.
enum class Cause {
    answered,  ///< the whole answer came; `status` says what it was
    dns,
    connect,
    tls,
    certificate,
    proxy,
    closed,        ///< the upstream closed or reset the connection too early
    bad_head,      ///< a response head that breaks the rules, or is too large
    bad_body,      ///< framing, encoding or an event that breaks the rules, or an end without a finish
    timeout,       ///< `detail` names which
    not_an_api,    ///< HTML or a redirect
    stream_error,  ///< the upstream reported an error inside a 200
    client_gone,
    client_error,  ///< the client's own body was broken
    client_slow,   ///< the client's own body stopped
    shutdown,
};

/// How an attempt ended, in the words that retrying needs.
struct Outcome {
    Phase phase = Phase::connecting;
    Cause cause = Cause::answered;
    int status = 0;                    ///< of the response head; 0 if none came
    VendorError error;                 ///< of an answer that is an error
    std::string vendor_body;           ///< the same, as it came, for the calling client only
    std::optional<Wait> wait;          ///< how long the answer asks to wait (wait_hint.hpp)
    std::optional<bool> should_retry;  ///< its `x-should-retry`
    bool event_stream = false;         ///< the answer was a stream of events
    bool output_began = false;         ///< some of it was output, shown or not
    std::string detail;                ///< for people: what the operating system, TLS or the parser said
    bool connection_was_reused = false;
    bool answer_began = false;  ///< at least one byte of the response had arrived
    bool usage_was_injected = false;
};

/// `class` of upstream_errors_total: `4xx`, `5xx`, `network`, `timeout`, `stream`; empty if it was no error.
std::string_view error_class(const Outcome&);

}  // namespace streamkeeper
