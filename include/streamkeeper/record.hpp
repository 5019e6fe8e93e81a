/// What is remembered of one exchange: the source of its metrics, its log line and its place on the status page.
/// Never a prompt, an answer, a query string or a key.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "streamkeeper/config.hpp"
#include "streamkeeper/dialect.hpp"
#include "streamkeeper/usage.hpp"

namespace streamkeeper {

/// One try at a target, as it is recorded.
struct AttemptRecord {
    std::string upstream, key, model;
    int status = 0;                ///< 0: no response head
    std::string_view reason;       ///< errors.md, "reason"; empty if it went well
    std::string_view error_class;  ///< of upstream_errors_total; empty if it was no error
    std::string detail;            ///< for people; never from a body
    std::chrono::milliseconds took{0};
    Usage usage;  ///< billed for this call, whatever became of it
};

/// A wait between two attempts, or before the first one.
struct WaitRecord {
    std::string upstream;
    std::string_view cause;  ///< `rate_limit`, `pace`, `failing`, `in_flight`, `backoff`
    std::chrono::milliseconds took{0};
};

/// A move to another upstream or model.
struct FallbackRecord {
    std::string from, to;  ///< `UPSTREAM/MODEL`
    std::string_view reason;
};

/// A call that was to go on with an answer which the client had seen in part.
struct ResumeRecord {
    std::string upstream, model;
    std::string_view strategy;                    ///< `prefix`, `replay`, `native`
    std::string_view outcome;                     ///< `ok`, `diverged`, `refused`, `broken`
    std::string_view cause;                       ///< of the break: a reason of errors.md
    std::size_t position = 0;                     ///< bytes of text that the client had
    std::optional<std::chrono::nanoseconds> gap;  ///< from the break to the first byte that was shown again
};

/// A call that only asked how an upstream goes on with an open turn: billed, but no attempt.
struct ProbeRecord {
    std::string upstream, model;
    Usage usage;
};

/// How an exchange ended for the client.
enum class Ending { ok, error, aborted, client_closed };
std::string_view ending_label(Ending);

/// What a vendor said about its limits in the head of an answer.
struct RateLimitSeen {
    std::string_view dimension;               ///< "requests", "tokens"
    double remaining = -1, reset_epoch = -1;  ///< -1: not said; the reset as seconds since 1970
};

struct Record {
    using Clock = std::chrono::steady_clock;
    std::string id, client, method, path;
    Endpoint endpoint = Endpoint::other;
    std::string model_asked, model, upstream, key;
    int status = 0;    ///< what the client saw; 499 if it left before
    std::string code;  ///< of an error made here
    Ending ending = Ending::ok;
    bool proxied = false;  ///< went, or was meant to go, to an upstream; own pages are not recorded
    bool policy = false, stream = false;
    std::string stream_end;  ///< `how` of stream_ends_total; empty if it was no stream
    std::vector<AttemptRecord> attempts;
    std::vector<WaitRecord> waits;
    std::vector<FallbackRecord> fallbacks;
    std::vector<ResumeRecord> resumes;
    std::vector<ProbeRecord> probes;
    std::string not_resumed;  ///< why an answer that broke off was not gone on with (README, "How it shows")
    std::string_view
        fallback;         ///< why the answer comes from another target than the one asked for; empty if it does not
    bool resend = false;  ///< the client sent it before, and was refused
    std::string vendor_request_id;
    std::vector<RateLimitSeen> limits;
    Usage usage;                  ///< of the call that runs now, and at the end of the last one
    bool usage_expected = false;  ///< an answer came whole that should have carried usage
    Clock::time_point began, first_output{}, ended;
    Clock::duration connect{0}, tls{0}, upstream_wait{0}, own{0};
    std::uint64_t bytes_in = 0, bytes_out = 0;
    std::shared_ptr<const Config> config;  ///< bounds the labels: which models are known
};

}  // namespace streamkeeper
