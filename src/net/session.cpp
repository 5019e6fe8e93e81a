#include "net/session.hpp"

#include <algorithm>
#include <utility>

#include "net/core.hpp"
#include "net/exchange.hpp"

namespace streamkeeper::net {

namespace {
constexpr std::size_t read_ahead = 64 << 10;
constexpr Duration linger_for{2000};
constexpr std::size_t linger_bytes = 8 << 20;
}  // namespace

Session::Session(Core& the_core, std::shared_ptr<const ListenerRules> from, int descriptor)
    : core(the_core), rules(std::move(from)), client(core.reactor, descriptor), in_limit_(read_ahead) {
    client.watch().owner(&wake);
    resumed_at_ = idle_since_ = Clock::now();
}

Session::~Session() = default;

// ---- waiting

/// What still waits in the client's socket, because reading had stopped at the limit, is no edge that would wake
/// anybody.
bool Session::Waiting::await_ready() const { return session.wake.take_notice() || session.may_read(); }

void Session::Waiting::await_suspend(std::coroutine_handle<> waiter) const {
    session.own += Clock::now() - session.resumed_at_;
    session.wake.suspend(waiter);
}

Wake Session::Waiting::await_resume() const {
    session.resumed_at_ = Clock::now();
    session.fill();
    // Where reading pauses, the end is behind bytes that nobody takes; the kernel tells of it all the same.
    const bool paused = !session.direct_ && session.in.size() >= session.in_limit_;
    if (paused && session.client.watch().ended()) session.client_ended_ = true;
    if (session.client_ended_ && !session.draining_client) return Wake::client_gone;
    if (session.shutdown_) return Wake::shutdown;
    if (session.answering && session.deadlines.passed(Deadline::heartbeat, session.core.reactor.now()))
        session.answering->beat();
    return session.passed() ? Wake::deadline : Wake::ready;
}

void Session::wake_later() {
    core.reactor.post([self = shared_from_this()] { self->wake.notify(); });
}

std::optional<Deadline> Session::passed() const { return deadlines.passed(core.reactor.now()); }
void Session::sweep(TimePoint) { wake.notify(); }

void Session::end_if_idle() {
    if (idle_) shut_down();
}

void Session::shut_down() {
    shutdown_ = true;
    wake.notify();
}

// ---- reading

bool Session::fill() {
    if (client.watch().take_readable()) client_ready_ = true;
    while (may_read())
        if (!fill_from(core.scratch.data(), std::min(core.scratch.size(), in_limit_ - in.size()))) break;
    return !client_ended_;
}

bool Session::fill_from(char* scratch, std::size_t room) {
    const Io io = client.read(scratch, room);
    switch (io.state) {
        case Io::State::ok:
            if (!draining_client) in.append({scratch, io.bytes});
            lingered_ += draining_client ? io.bytes : 0;
            if (lingered_ > linger_bytes) client_ended_ = true;
            if (io.drained) client_ready_ = false;
            return true;
        case Io::State::again: client_ready_ = false; return false;
        case Io::State::end:
        case Io::State::error: client_ended_ = true; return false;
    }
    return false;
}

std::size_t Session::read_into(char* to, std::size_t room) {
    if (client.watch().take_readable()) client_ready_ = true;
    if (!client_ready_ || client_ended_) return 0;
    const Io io = client.read(to, room);
    client_ready_ = io.state == Io::State::ok && !io.drained;
    client_ended_ = io.state == Io::State::end || io.state == Io::State::error;
    return io.bytes;
}

// ---- the life of a connection

Detached Session::run(std::shared_ptr<Session> self) {
    Session& session = *self;
    session.core.enter(session);
    session.core.need_sweep();
    for (bool more = true; more;) {
        more = co_await session.next_request();
    }
    session.client.close();
    session.core.leave(session);
}

namespace {
enum class Begin { incomplete, refused, begun };

/// Begins the exchange as soon as its head is whole.
Begin begin(Session& session, const Config& config, std::optional<Exchange>& exchange) {
    std::variant<http::Incomplete, http::RequestHead, http::Refusal> head =
        http::read_request_head(session.in.view(), config.limits.head);
    if (http::Refusal* const refusal = std::get_if<http::Refusal>(&head)) {
        Exchange::refuse_unread(session, *refusal);
        return Begin::refused;
    }
    http::RequestHead* const request = std::get_if<http::RequestHead>(&head);
    if (!request) return Begin::incomplete;
    session.deadlines.clear_all();
    exchange.emplace(session, session.core.config, *request);
    return Begin::begun;
}
}  // namespace

Task<bool> Session::next_request() {
    std::shared_ptr<const Config> config = core.config;
    const bool first = std::exchange(first_, false);
    idle_ = true;
    idle_since_ = Clock::now();
    core.look_for_room();
    deadlines.clear_all();
    deadlines.set(first ? Deadline::client_head : Deadline::keepalive, idle_since_,
                  first ? config->timeouts.client_head : config->timeouts.client_keepalive);
    read_up_to(config->limits.head + read_ahead);
    std::size_t seen = 0;
    for (fill();;) {
        if (in.view().find('\n', seen) != std::string_view::npos || in.size() > config->limits.head ||
            (seen == 0 && !in.empty())) {
            idle_ = false;
            std::optional<Exchange> exchange;
            const Begin begun = begin(*this, *config, exchange);
            if (begun == Begin::refused) {
                co_await linger();
                co_return false;
            }
            if (begun == Begin::begun) {
                config.reset();
                const bool keep = co_await exchange->run();
                if (!keep && exchange->wants_linger()) co_await linger();
                co_return keep && !shutdown_ && !core.draining();
            }
            deadlines.clear(Deadline::keepalive);
            if (!deadlines.has(Deadline::client_head))
                deadlines.set(Deadline::client_head, core.reactor.now(), config->timeouts.client_head);
        }
        seen = in.size();
        if (client_ended_ || (core.draining() && in.empty())) co_return false;
        const Wake why = co_await wait();
        if (why == Wake::deadline && !in.empty()) {
            Exchange::refuse_unread(
                *this, {408, "request_timeout", "the request's head did not come within timeouts.client_head"});
            co_await linger();
        }
        if (why == Wake::deadline || why == Wake::shutdown) co_return false;
        if (why == Wake::client_gone && in.size() == seen) co_return false;
    }
}

/// An error was sent while the client may still be writing: closing now would answer its bytes with a reset, which may
/// destroy the error before it is read (RFC 9112, 9.6).
Task<void> Session::linger() {
    if (client_ended_) co_return;
    client.finish_writing();
    draining_client = true;
    in.release();
    deadlines.clear_all();
    deadlines.set(Deadline::linger, core.reactor.now(), linger_for);
    for (fill(); !client_ended_;) {
        const Wake why = co_await wait();
        if (why != Wake::ready) break;
    }
}

}  // namespace streamkeeper::net
