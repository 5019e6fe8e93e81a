/// A session: one client connection, and the coroutine that serves its requests in order.
///
/// It waits in one place only (`wait`), for anything: bytes from either side, room to write, a deadline, the end. After
/// every wait the reason is looked at first: client gone > shutdown > deadline > ready (architecture.md, rule 2).
#pragma once

#include <memory>
#include <string>

#include "net/buffer.hpp"
#include "net/reactor.hpp"
#include "net/task.hpp"
#include "net/transport.hpp"
#include "streamkeeper/admission.hpp"
#include "streamkeeper/deadlines.hpp"
#include "streamkeeper/record.hpp"

namespace streamkeeper::net {

class Core;
struct Exchange;
struct ListenerRules;

/// Bytes after which a transfer that never has to wait lets the other sessions go on.
inline constexpr std::size_t fair_share = 1u << 20;

/// Why a wait ended.
enum class Wake { ready, client_gone, shutdown, deadline };

class Session : public std::enable_shared_from_this<Session> {
public:
    Session(Core&, std::shared_ptr<const ListenerRules>, int descriptor);
    ~Session();

    /// Serves the connection to its end. The frame keeps the session alive.
    static Detached run(std::shared_ptr<Session> self);

    struct Waiting {
        Session& session;
        bool await_ready() const;
        void await_suspend(std::coroutine_handle<> waiter) const;
        Wake await_resume() const;
    };
    Waiting wait() { return {*this}; }
    /// For a wait that a third party must end (a lookup, the budget); safe from anywhere.
    void wake_later();

    // ---- called by the core
    void sweep(TimePoint now);  ///< wakes the session if a deadline has passed
    void end_if_idle();         ///< drain, or the cap of connections: closes it if no request is under way
    void shut_down();           ///< ends it now
    bool idle() const { return idle_; }
    TimePoint idle_since() const { return idle_since_; }

    // ---- for the exchange
    /// Reading pauses while `in` holds this much (back pressure).
    void read_up_to(std::size_t bytes) { in_limit_ = bytes; }
    /// Reads what is there, without waiting. False once the client has ended.
    bool fill();
    /// Leaves the client's bytes unread for `read_into`, which puts them where they belong without a copy.
    void read_directly(bool directly) { direct_ = directly; }
    /// How many bytes came; 0: none for now, or the client has ended.
    std::size_t read_into(char* to, std::size_t room);
    bool client_ended() const { return client_ended_; }
    bool ending() const { return shutdown_; }
    std::optional<Deadline> passed() const;

    Core& core;
    std::shared_ptr<const ListenerRules> rules;
    Transport client;
    Event wake;
    Deadlines deadlines;
    Buffer in;                      ///< bytes from the client that nothing has taken yet
    bool draining_client = false;   ///< lingering: what comes is thrown away, an end is no news
    Clock::duration own{0};         ///< time spent in this session's own turns
    Exchange* answering = nullptr;  ///< whose heartbeat may come due in any wait

private:
    Task<bool> next_request();
    Task<void> linger();
    bool fill_from(char* scratch, std::size_t room);
    bool may_read() const { return client_ready_ && !client_ended_ && !direct_ && in.size() < in_limit_; }

    std::size_t in_limit_, lingered_ = 0;
    bool direct_ = false, client_ready_ = true, client_ended_ = false, shutdown_ = false, idle_ = true, first_ = true;
    TimePoint idle_since_, resumed_at_;
};

}  // namespace streamkeeper::net
