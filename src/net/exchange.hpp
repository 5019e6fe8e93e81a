/// An exchange: one request and its answer. `run` reads like the line in architecture.md; what it asks is answered by
/// the pure rooms, and what it does is done by the files beside it, each a part of the way:
///
///   exchange.cpp   read body ─ plan ─ attempt loop ─ record
///   attempt.cpp    connect ─ send ─ response head ─ judge
///   event_relay.cpp, json_answer.cpp   the answers of policy paths
///   raw_relay.cpp  pass-through: bytes both ways, upgrades
///   reply.cpp      what streamkeeper itself says to a client
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/answer.hpp"
#include "net/client_writer.hpp"
#include "net/core.hpp"
#include "net/request_pump.hpp"
#include "net/session.hpp"
#include "streamkeeper/attempt_loop.hpp"
#include "streamkeeper/error_body.hpp"
#include "streamkeeper/inflate.hpp"
#include "streamkeeper/plan.hpp"

namespace streamkeeper::net {

/// One try at a target while it lasts: its connection and what was read of its answer.
struct Leg {
    std::shared_ptr<UpstreamState> state;
    Transport transport;
    std::optional<RequestPump> request;
    std::optional<Answer> answer;
    std::unique_ptr<http::Inflater> inflater;  ///< for an answer that is encoded although identity was asked for
    std::string inflated;                      ///< what it made of the last run
    bool reused = false, write_failed = false;
    TimePoint began;
    Outcome outcome;

    ~Leg();
    void fail(Phase phase, Cause cause, std::string detail);
    /// Looks at the answer's Content-Encoding. False: it can't be undone, and `outcome` says so.
    bool undo_encoding();
    /// Replaces a run of payload by what it decodes to. False: the data is broken, and `outcome` says so.
    bool decode(std::string_view& payload, Phase phase);
};

/// A run of an answer's payload, or its end.
struct Payload {
    enum class State { run, done, failed };
    State state = State::failed;  ///< `failed`: the leg's outcome says why
    std::string_view bytes;       ///< valid until the next one is asked for
};

struct Exchange {
    /// Takes the head's bytes out of the session's buffer; `head` points into that buffer.
    Exchange(Session&, std::shared_ptr<const Config>, const http::RequestHead& head);
    ~Exchange();
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    /// Whether the connection can carry another request.
    Task<bool> run();
    /// The connection is to be closed after an answer that the client should be able to read.
    bool wants_linger() const { return !out.failed() && !aborted; }
    /// Answers a head that could not be read.
    static void refuse_unread(Session&, const http::Refusal&);

    // ---- exchange.cpp
    Task<void> answer_own();
    Task<void> answer_policy();
    /// Null once the whole body is in `body`.
    Task<std::optional<http::Refusal>> read_whole_body();
    Task<bool> wait_for_budget(Bytes bytes);
    /// Moves what has come of the body into `body`, without waiting.
    void take_body(http::BodyDecoder& decoder);
    Task<void> loop_attempts();
    void note(const Leg&, const Action&);

    // ---- attempt.cpp
    Task<void> attempt(Leg& leg, Target target, bool fresh_connection, bool with_usage);
    /// Opens or reuses a connection. False: `leg.outcome` says why not.
    Task<bool> open(Leg& leg, bool fresh_connection, Timeouts timeouts);
    /// Sends the request and reads up to the response head. False: `leg.outcome` says why not.
    Task<bool> send_and_read_head(Leg& leg, Timeouts timeouts);
    RequestPump::State push_request(Leg& leg, const Timeouts& timeouts);
    /// The next run of the answer's payload, decoded; waits for it.
    Task<Payload> next_payload(Leg& leg, Phase phase);
    void settle(Leg&, const Timeouts&);  ///< back into the pool, or closed
    void read_limits(const http::ResponseHead&);

    // ---- event_relay.cpp
    Task<void> relay_events(Leg& leg, const Dialect& dialect, bool hide_usage);

    // ---- json_answer.cpp
    /// Collects the whole answer, then shows it; too large for the budget, it is streamed instead.
    Task<void> relay_json(Leg& leg);
    Task<void> stream_document(Leg& leg, Buffer collected, std::string_view more);
    void show_document(Leg& leg, std::string_view json);
    /// Collects the body of an error answer, up to a bound, and reads it.
    Task<void> read_error(Leg& leg);

    // ---- raw_relay.cpp
    Task<void> pass_through();
    Task<void> relay_raw(Leg& leg, Timeouts timeouts);
    void end_pass_through(const Leg& leg, const Action& action);
    void send_payload(std::string_view bytes);  ///< framed as the answer's head said
    Task<void> tunnel(Leg& leg);
    Io forward(Leg& leg, Buffer& to_upstream);

    // ---- models_list.cpp
    Task<void> answer_models();
    /// `needed`: somebody asked for the list itself; else a list that could not be had is not tried for again at once.
    Task<void> refresh_models(std::shared_ptr<const Upstream> upstream, bool needed);
    Task<void> fetch_models(Leg& leg);

    // ---- reply.cpp
    void send_refusal(const http::Refusal&);
    void send_error(const Action&, const Outcome&);
    void send_api_error(ApiError);
    void send_page(int status, std::string_view content_type, std::string_view text, std::string_view more_fields = {});
    /// Status line and fields of an upstream's answer, ours added; ends with the blank line.
    std::string answer_head(const Leg&, const http::Framing& body);
    /// How an answer of unknown length is framed for this client.
    http::Framing open_framing() const;
    /// After the commit: the rest can't come. Says so as the contract's "giving up after the commit" demands.
    void give_up(const Action&, const Outcome&, const Dialect*);
    /// Waits until the client has taken everything. False if it left, or took nothing for too long.
    Task<bool> flush();

    Session& session;
    Core& core;
    std::shared_ptr<const Config> config;
    std::string head_bytes;
    http::RequestHead head;
    http::Admitted asked;
    Record record;
    ClientWriter out;
    Buffer body;
    Reservation body_reservation;
    BodyFacts facts;
    Plan plan;
    bool keep_alive, body_read, committed = false, chunked_out = false, aborted = false, client_gone = false,
                                counted = false;
    bool shown_whole = false;  ///< the terminal event was taken: a client that leaves now has all it asked for
    Clock::duration own_before;
};

/// All that no answer may show: keys and tokens.
std::vector<std::string_view> secrets_of(const Config&);

/// What a wait's reason means for an attempt; nothing if it may go on. `phase` is where it stands.
bool ended_by(Wake why, Leg& leg, Session& session, Phase phase);

}  // namespace streamkeeper::net
