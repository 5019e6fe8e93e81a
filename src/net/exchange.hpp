/// An exchange: one request and its answer. `run` reads like the line in architecture.md; what it asks is answered by
/// the pure rooms, and what it does is done by the files beside it, each a part of the way:
///
///   exchange.cpp   read body ─ plan ─ record
///   attempts.cpp   obeys the attempt loop: send, pause, wait at gates, give up
///   attempt.cpp    connect ─ send ─ response head ─ judge
///   event_relay.cpp, json_answer.cpp   the answers of policy paths
///   resume.cpp     how an answer that broke off is gone on with
///   raw_relay.cpp  pass-through: bytes both ways, upgrades
///   reply.cpp      what streamkeeper itself says to a client
///   commit.cpp     a stream's early commit, its heartbeats, and the end of one that can't be completed
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
#include "streamkeeper/assembly.hpp"
#include "streamkeeper/attempt_loop.hpp"
#include "streamkeeper/error_body.hpp"
#include "streamkeeper/inflate.hpp"
#include "streamkeeper/plan.hpp"
#include "streamkeeper/splicer.hpp"
#include "streamkeeper/traffic.hpp"

namespace streamkeeper::net {

struct Resumption;

/// One try at a target while it lasts: its connection and what was read of its answer.
struct Leg {
    std::shared_ptr<UpstreamState> state;
    Transport transport;
    std::optional<RequestPump> request;
    std::optional<Answer> answer;
    std::unique_ptr<http::Inflater> inflater;  ///< for an answer that is encoded although identity was asked for
    std::string inflated;                      ///< what it made of the last run
    Pass* pass = nullptr;                      ///< the attempt loop's permission; null for our own errands
    bool reused = false, write_failed = false;
    TimePoint began;
    Outcome outcome;
    std::string raw_error;  ///< pass-through: a failed answer as the client may see it, head and all

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
    /// Whether the request may go on; else it was answered.
    bool admit();
    /// Reads the body and decides where it goes. False: it was answered, or the client left.
    Task<bool> plan_policy();
    std::optional<http::Refusal> read_facts();
    bool make_policy_plan();
    /// Null once the whole body is in `body`.
    Task<std::optional<http::Refusal>> read_whole_body();
    Task<bool> wait_for_budget(Bytes bytes);
    /// Moves what has come of the body into `body`, without waiting.
    void take_body(http::BodyDecoder& decoder);
    /// Deadlines and timeouts that the client's own fields name. Nothing if they are well.
    std::optional<http::Refusal> read_overrides();
    void begin_exchange();
    /// No attempt will follow: what could be sent again is freed.
    void free_body(const Leg& leg);

    // ---- attempts.cpp
    Task<void> loop_attempts();
    LoopSettings loop_settings();
    Known known_of(const std::shared_ptr<const Upstream>&) const;
    std::uint64_t context_window(const Target&) const;
    /// Each obeys one kind of action; `action` becomes what the loop says then.
    Task<void> pause(AttemptLoop& loop, Action& action);
    Task<void> wait_at_gates(AttemptLoop& loop, Action& action);
    Task<void> ask_for_names(AttemptLoop& loop, Action& action);
    static Action stopping();
    void be_patient(const Target&);
    void begin_attempt(const AttemptLoop&, const Action&);
    void note(const Leg&, const AttemptLoop&);
    void conclude(const Action&, const Outcome* last);
    void note_wait(std::string_view cause, TimePoint began);

    // ---- attempt.cpp
    /// One send; `action` becomes what the loop says about its end.
    Task<void> attempt(AttemptLoop& loop, Action& action);
    void make_request(Leg& leg, const Action&);
    /// Decides whether the next call for a document asks for a stream. `last`: the attempt that failed, or null.
    void choose_assembling(const Outcome* last);
    enum class AnswerKind { none, error, document, events, raw, raw_error, tunnel };
    AnswerKind kind_of_answer(Leg& leg);
    /// Opens or reuses a connection. False: `leg.outcome` says why not.
    Task<bool> open(Leg& leg, bool fresh_connection);
    /// Sends the request and reads up to the response head. False: `leg.outcome` says why not.
    Task<bool> send_and_read_head(Leg& leg);
    RequestPump::State push_request(Leg& leg);
    /// The next run of the answer's payload, decoded; waits for it.
    Task<Payload> next_payload(Leg& leg, Phase phase);
    void settle(Leg&);          ///< back into the pool, or closed
    void read_hints(Leg& leg);  ///< what the answer says of limits and waits
    /// Says in the outcome that the answer was a web page.
    void page_instead(Leg& leg);

    // ---- event_relay.cpp
    Task<void> relay_events(Leg& leg);
    void begin_splicing(const Leg& leg);
    /// A stream that the client did not ask for, as the document that it asked for.
    void send_assembled(Leg& leg, const Assembly& assembly);

    // ---- resume.cpp
    Resume resume_settings() const;  ///< of the target that was sent to last
    SplicerSettings splicer_settings() const;
    Join join(const Leg&) const;
    /// The call that runs, or comes next, is to go on with an answer that was shown in part.
    bool going_on() const;
    bool other_model_goes_on() const;
    GoOn go_on_after(const Leg&, AttemptLoop&);
    GoOn choose_strategy();
    std::string_view choose_prefix(const Resume&);
    void make_native_request(Leg& leg, const Target& target);
    Continuable continuable_now(const Resume&) const;
    std::int64_t tokens_used() const;
    void note_resume(const Leg&);
    void note_break(const AttemptLoop&);
    void note_unresumable();
    void note_end_of_resuming();
    /// A 400 or 422 to an open turn.
    bool refused_going_on(const Leg&);
    bool wants_probe() const;
    Task<void> probe_seam(AttemptLoop& loop, Action& action);
    Task<void> make_probe(AttemptLoop& loop, const Target& target, std::optional<Action>& before_next);
    Task<void> read_probe_answer(Leg& leg, std::string& answer);
    void learn_from_probe(const Leg&, const Target&, std::string_view answer);

    // ---- json_answer.cpp
    /// Collects the whole answer, then shows it; too large for the budget, it is streamed instead.
    Task<void> relay_json(Leg& leg);
    Task<void> stream_document(Leg& leg, Buffer collected, std::string_view more);
    void show_document(Leg& leg, std::string_view json);
    void send_document(Leg& leg, std::string_view json, std::string_view content_type);
    /// A document to a client that asked for a stream: told as that stream.
    void show_as_events(Leg& leg, std::string_view json);
    /// How long an answer that is an error asks to wait.
    void read_waits(Leg& leg) const;
    /// Collects the body of an error answer, up to a bound, and reads it.
    Task<void> read_error(Leg& leg);

    // ---- raw_relay.cpp
    /// False: it was refused.
    bool plan_pass_through();
    Task<void> relay_raw(Leg& leg);
    Task<void> collect_raw_error(Leg& leg);
    void push_body(Leg& leg);
    bool conclude_raw(const Action&, const Outcome* last);
    void send_payload(std::string_view bytes);  ///< framed as the answer's head said
    Task<void> tunnel(Leg& leg);
    Io forward(Leg& leg, Buffer& to_upstream);

    // ---- models_list.cpp
    Task<void> answer_models();
    /// Who wants an upstream's model list, and so how old it may be.
    enum class Need {
        list,     ///< somebody asked for the list itself
        routing,  ///< it decides what a name means; a list that could not be had is not tried for again at once
        names,    ///< the upstream refused a name: fetched anew, at most once a minute
    };
    Task<void> refresh_models(std::shared_ptr<const Upstream> upstream, Need need);
    static bool list_is_due(ModelList& list, Need need, TimePoint now);
    Task<void> fetch_models(Leg& leg, const Key* key);

    // ---- reply.cpp
    void send_refusal(const http::Refusal&);
    void send_error(const Action&, const Outcome* last);
    void send_api_error(ApiError);
    void send_page(int status, std::string_view content_type, std::string_view text, std::string_view more_fields = {});
    /// Status line and fields of an upstream's answer, ours added; ends with the blank line.
    /// `content_type`: in place of the upstream's own; empty: that one.
    std::string answer_head(const Leg&, const http::Framing& body, std::string_view content_type = {});
    /// How an answer of unknown length is framed for this client.
    http::Framing open_framing() const;
    ApiError error_of(const Action&, const Outcome* last) const;
    /// Waits until the client has taken everything. False if it left, or took nothing for too long.
    Task<bool> flush();

    // ---- commit.cpp
    /// The heartbeat's time has come: commits a stream whose answer is late, then shows that it lives.
    void beat();
    /// From the commit on.
    void begin_heartbeats();
    void commit_early();
    void send_noop(TimePoint now);
    void append_early_fields(std::string& out) const;
    /// After the commit: the rest can't come. Says so as the contract's "giving up after the commit" demands.
    void give_up(const Action&, const Outcome* last);
    /// The dialect of a client that asked for a stream; null if it did not.
    const Dialect* wanted_dialect() const { return facts.stream ? dialect_of(asked.endpoint) : nullptr; }

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
    std::optional<std::size_t> body_print;  ///< what is left of a body that was freed
    BodyFacts facts;
    Plan plan;
    Timeouts timeouts;                          ///< of the attempt that runs
    Duration first_byte_override{0};            ///< x-streamkeeper-timeout; 0: none
    TimePoint deadline = TimePoint::max();      ///< past it no wait and no attempt begins
    std::vector<Splice> splices;                ///< of the attempt that runs
    std::string raw_error;                      ///< of the last attempt (pass-through)
    std::shared_ptr<UpstreamState> asked_of;    ///< counts this request
    TimePoint last_shown{}, last_event{};       ///< when the client last got bytes, and an event
    std::size_t last_group = 0;                 ///< of the last attempt's target
    std::unique_ptr<Splicer> splicer;           ///< of a stream, from its first event on
    std::unique_ptr<Resumption> resumption;     ///< from its first break after output on
    Reservation held_paid, transcript_paid;     ///< what the splicer keeps
    std::optional<ResumeMode> resume_override;  ///< x-streamkeeper-resume
    Duration patience = no_limit;               ///< the deadline, from the request's arrival or from a break
    bool assembling = false;                    ///< asked for as a stream, although the client wants a document
    bool vendor_fell_back = false;              ///< another model than the one asked for wrote the answer
    bool keep_alive, body_read, committed = false, chunked_out = false, aborted = false, client_gone = false;
    bool wishes = false;                         ///< the head has fields that change what policy does
    bool early = false;                          ///< committed before an upstream answered
    bool sent_once = false, sent_usage = false;  ///< an attempt was made; with our usage option
    std::size_t sent_target = 0;                 ///< and to which target: an Idempotency-Key stands for all of that
    bool shown_whole = false;  ///< the terminal event was taken: a client that leaves now has all it asked for
    Clock::duration own_before;
};

/// The line that `log.level: debug` adds for each attempt (contract, section 7).
std::string attempt_line(const Record&, const AttemptRecord&, const Leg&);

/// May a pass-through request be sent again? Bodyless GET and HEAD may.
bool repeatable(const http::RequestHead&);

/// All that no answer may show: keys and tokens.
std::vector<std::string_view> secrets_of(const Config&);

/// What a wait's reason means for an attempt; nothing if it may go on. `phase` is where it stands.
bool ended_by(Wake why, Leg& leg, Session& session, Phase phase);

}  // namespace streamkeeper::net
