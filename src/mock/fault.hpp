/// How one answer differs from a healthy one, and in which order such answers come. Plain values: names, headers and
/// scripts all fill them by one vocabulary (vocabulary.cpp); README.md beside this file is the user's page.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mock/character.hpp"
#include "mock/wire.hpp"

namespace streamkeeper::mock {

/// Since the mock began. Records and limits use the same number, so a test can repeat a limiter's arithmetic.
using Instant = std::chrono::microseconds;

/// How a vendor writes an error (vendors.md 2 says which vendor does what).
enum class ErrorShape {
    openai,       ///< {"error":{message,type,param,code}}
    apertis,      ///< the same without the keys that say nothing
    anthropic,    ///< {"type":"error","error":{type,message},"request_id"}
    google,       ///< [{"error":{code:int,message,status,details}}]
    openrouter,   ///< {"error":{code:int,message,metadata}}
    detail,       ///< {"detail":"…"}
    detail_list,  ///< {"detail":[{type,loc,msg,input}]}
    string,       ///< {"error":"…"}
    top_level,    ///< {"message",type,param,code}
    text,         ///< text/plain
    html,         ///< a page
    empty,        ///< no body
    field,        ///< in a stream: a line `error: {…}` in place of `data: {…}`
    event,        ///< in a stream: `event: error` before the data
    finish_error  ///< in a stream: a chunk with the error and the finish reason "error"
};

/// Where a response says how long to wait (errors.md, table b). `shown` is the second that its Date field names.
enum class HintForm {
    retry_after,          ///< Retry-After, as written
    retry_after_ms,       ///< retry-after-ms, as written
    retry_after_date,     ///< Retry-After: shown + N as an IMF-fixdate
    retry_after_rfc850,   ///< the same in the obsolete form of RFC 850
    retry_after_asctime,  ///< the same as asctime writes it
    reset,                ///< X-RateLimit-Reset: shown + N, seconds since 1970
    reset_ms,             ///< X-RateLimit-Reset: now + N, milliseconds since 1970
    reset_in,             ///< X-RateLimit-Reset, as written: seconds left
    reset_requests,       ///< x-ratelimit-reset-requests, as written: a Go duration
    reset_tokens,         ///< x-ratelimit-reset-tokens, as written
    anthropic_reset,      ///< anthropic-ratelimit-requests-reset: shown + N as RFC 3339
    ratelimit_reset,      ///< RateLimit-Reset, as written: seconds left
    ratelimit,            ///< RateLimit: "default";r=0;t=N
    try_again,            ///< the message ends with `Please try again in N.`
    retry_delay,          ///< Google's RetryInfo in the body
    retry_after_seconds   ///< OpenRouter's metadata in the body
};

struct Hint {
    HintForm form;
    std::string value;  ///< empty: the true wait, which a limiter knows
};

/// Where an error is said.
enum class ErrorPlace {
    status,       ///< in the status line
    json_in_200,  ///< in the body of a 200
    sse_in_200    ///< in an event of a 200's stream
};

/// Other ways to write the same stream; a reader must not see a difference.
struct Rewriting {
    bool crlf = false, cr = false;  ///< line ends
    bool bom = false;               ///< before the first line
    bool comments = false;          ///< between and inside events, and bare blank lines
    bool no_space = false;          ///< `data:{`
    bool no_done = false;           ///< without `data: [DONE]`
    bool multi_line = false;        ///< JSON over several data lines
    bool ids = false;               ///< `id:` and `retry:` lines
    bool no_blank_at_end = false;   ///< the last event ends with its line
    bool empty_data_first = false;  ///< an empty data line before the JSON
    bool finish_no_done = false;    ///< the last event is the one that finishes
    std::size_t coalesce = 0;       ///< events a chunk; 0: one
    bool gzip = false;              ///< Content-Encoding: gzip
    bool http10 = false;            ///< HTTP/1.0, ended by closing
};

struct Fault {
    std::string text;                ///< in the words that asked for it, for records
    std::optional<unsigned> status;  ///< none: the model answers
    std::optional<ErrorShape> shape;
    std::string type, code, param, message;  ///< empty: the usual ones of the status
    ErrorPlace place = ErrorPlace::status;
    std::size_t events_before_error = 0;
    std::vector<Hint> hints;
    std::string remaining;                                     ///< what is left, beside a reset; empty: 0
    std::vector<std::pair<std::string, std::string>> headers;  ///< besides those of the hints
    std::optional<std::string> body;
    std::string content_type;            ///< empty: by the body
    std::chrono::seconds clock_skew{0};  ///< of Date, and of every absolute time
    std::chrono::milliseconds delay{0}, jitter{0};
    Wire wire;
    std::optional<std::size_t> events;      ///< a stream ends cleanly behind that many
    std::optional<std::size_t> early_done;  ///< behind that many events `[DONE]` and a clean end
    std::optional<std::size_t> garbage;     ///< the event behind that many is torn JSON; the stream goes on
    std::optional<std::size_t> torn;        ///< the event behind that many comes half, then a clean end
    bool then_done = false;                 ///< `[DONE]` behind the error of a stream
    Rewriting rewriting;
    Character character;               ///< in a script's answer; names and headers have theirs in the play
    bool empty = false;                ///< a stream without events, or a body without bytes
    bool whole = false;                ///< plain JSON, also to a stream request
    bool early = false;                ///< answered when the head has arrived, and closed
    bool stream_options_only = false;  ///< requests without stream_options are served

    /// An error or a body of its own instead of what the model says?
    bool replaces() const { return status.has_value() || body.has_value(); }
};

struct Act {
    std::shared_ptr<const Fault> fault;
    std::size_t times = 0;                 ///< 0: without end
    std::chrono::milliseconds lasting{0};  ///< instead of `times`, from the act's first request on; 0: by times
};

/// What becomes of a play whose acts are used up.
enum class Then {
    healthy,      ///< it has nothing more to say
    repeat_last,  ///< its last act stays
    loop          ///< it begins again
};

struct Play {
    std::vector<Act> acts;
    Then then = Then::healthy;
    Character character;  ///< holds whatever act it is
};

/// Where a play stands.
class Performance {
public:
    explicit Performance(Play play) : play_(std::move(play)) {}

    /// The fault for a request now; null: the play is over. `consume` counts it as given.
    std::shared_ptr<const Fault> current(Instant now);
    void consume() { ++used_; }
    const Character& character() const { return play_.character; }
    void restart();

private:
    bool is_over(const Act&, Instant now);

    Play play_;
    std::size_t act_ = 0, used_ = 0;
    std::optional<Instant> began_;
};

}  // namespace streamkeeper::mock
