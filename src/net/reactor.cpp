#include "net/reactor.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>

namespace streamkeeper::net {

namespace asio = boost::asio;
using Descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;

bool Address::v6() const { return reinterpret_cast<const sockaddr*>(storage)->sa_family == AF_INET6; }

std::string Address::text() const {
    char host[INET6_ADDRSTRLEN] = "";
    if (v6()) {
        const auto* address = reinterpret_cast<const sockaddr_in6*>(storage);
        inet_ntop(AF_INET6, &address->sin6_addr, host, sizeof host);
        return "[" + std::string(host) + "]:" + std::to_string(ntohs(address->sin6_port));
    }
    const auto* address = reinterpret_cast<const sockaddr_in*>(storage);
    inet_ntop(AF_INET, &address->sin_addr, host, sizeof host);
    return std::string(host) + ":" + std::to_string(ntohs(address->sin_port));
}

Address Address::parse(const std::string& ip, std::uint16_t port) {
    Address endpoint;
    auto* const v4 = reinterpret_cast<sockaddr_in*>(endpoint.storage);
    if (inet_pton(AF_INET, ip.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        endpoint.size = sizeof(sockaddr_in);
        return endpoint;
    }
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(endpoint.storage);
    if (inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        endpoint.size = sizeof(sockaddr_in6);
    }
    return endpoint;
}

// ---- Reactor

struct Reactor::Impl {
    // One thread runs the loop; the resolver's thread only posts to it. UNSAFE_IO drops the locks around descriptors.
    asio::io_context context{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
    asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(context);
    asio::ip::tcp::resolver resolver{context};
    struct Signal {
        Signal(asio::io_context& context, int number, std::function<void()> then)
            : set(context, number), handle(std::move(then)) {}
        asio::signal_set set;
        std::function<void()> handle;
        void wait() {
            set.async_wait([this](const boost::system::error_code& error, int) {
                if (error) return;
                handle();
                wait();
            });
        }
    };
    std::vector<std::unique_ptr<Signal>> signals;
};

Reactor::Reactor() : impl_(std::make_unique<Impl>()) {}
Reactor::~Reactor() = default;

void Reactor::run() { impl_->context.run(); }
void Reactor::stop() { impl_->context.stop(); }
void Reactor::post(std::function<void()> work) { asio::post(impl_->context, std::move(work)); }

void Reactor::on_signal(int number, std::function<void()> handle) {
    auto signal = std::make_unique<Impl::Signal>(impl_->context, number, std::move(handle));
    signal->wait();
    impl_->signals.push_back(std::move(signal));
}

void Reactor::resolve(const std::string& host, std::uint16_t port, Resolved done) {
    impl_->resolver.async_resolve(
        host, std::to_string(port), asio::ip::tcp::resolver::numeric_service,
        [done = std::move(done)](const boost::system::error_code& error, const asio::ip::tcp::resolver::results_type& found) {
            std::vector<Address> endpoints;
            if (!error) {
                for (const auto& entry : found) {
                    Address endpoint;
                    endpoint.size = static_cast<std::uint32_t>(entry.endpoint().size());
                    std::memcpy(endpoint.storage, entry.endpoint().data(), endpoint.size);
                    endpoints.push_back(endpoint);
                }
            }
            done(error, std::move(endpoints));
        });
}

struct Reactor::Alarm::Impl {
    asio::steady_timer timer;
    std::function<void()> tick;
    bool pending = false;
};

Reactor::Alarm::Alarm(Reactor& reactor, std::function<void()> tick)
    : impl_(new Impl{asio::steady_timer(reactor.impl().context), std::move(tick)}) {}
Reactor::Alarm::~Alarm() = default;

void Reactor::Alarm::set(std::chrono::milliseconds delay) {
    impl_->timer.expires_after(delay);
    impl_->pending = true;
    impl_->timer.async_wait([impl = impl_.get()](const boost::system::error_code& error) {
        if (error) return;
        impl->pending = false;
        impl->tick();
    });
}

void Reactor::Alarm::cancel() {
    impl_->pending = false;
    impl_->timer.cancel();
}

bool Reactor::Alarm::pending() const { return impl_->pending; }

// ---- Watch

/// Outlives its Watch while an operation is pending: completions that come late find `owner` null and do nothing.
struct Watch::State : std::enable_shared_from_this<State> {
    State(Reactor& reactor, int fd) : descriptor(reactor.impl().context, fd) {}

    void completed(bool read) {
        (read ? read_armed : write_armed) = false;
        (read ? readable : writable) = true;
        if (owner) owner->notify();
    }

    Descriptor descriptor;
    Event* owner = nullptr;
    unsigned generation = 0;
    bool read_armed = false, write_armed = false, readable = false, writable = false;
};

namespace {

/// Small enough for Asio's recycled memory: a wait allocates nothing in the steady state.
template <class State>
struct Ready {
    std::shared_ptr<State> state;
    unsigned generation;
    bool read;
    void operator()(const boost::system::error_code&) const {
        if (generation == state->generation) state->completed(read);
    }
};

}  // namespace

Watch::Watch(Reactor& reactor, int descriptor) : state_(std::make_shared<State>(reactor, descriptor)) {}
Watch& Watch::operator=(Watch&& other) noexcept {
    close();
    state_ = std::move(other.state_);
    return *this;
}
Watch::~Watch() { close(); }

int Watch::descriptor() const { return state_ ? state_->descriptor.native_handle() : -1; }

void Watch::owner(Event* event) {
    if (state_) state_->owner = event;
}

void Watch::arm_read() {
    if (!state_ || state_->read_armed) return;
    state_->read_armed = true;
    state_->descriptor.async_wait(Descriptor::wait_read, Ready<State>{state_, state_->generation, true});
}

void Watch::arm_write() {
    if (!state_ || state_->write_armed) return;
    state_->write_armed = true;
    state_->descriptor.async_wait(Descriptor::wait_write, Ready<State>{state_, state_->generation, false});
}

bool Watch::take_readable() { return state_ && std::exchange(state_->readable, false); }
bool Watch::take_writable() { return state_ && std::exchange(state_->writable, false); }

void Watch::close() {
    if (!state_) return;
    state_->owner = nullptr;
    ++state_->generation;
    boost::system::error_code ignored;
    state_->descriptor.close(ignored);
    state_.reset();
}

void Watch::forget_write() {
    if (!state_) return;
    Event* const owner = state_->owner;
    ++state_->generation;
    state_->read_armed = state_->write_armed = state_->readable = state_->writable = false;
    const int fd = state_->descriptor.release();
    state_->descriptor.assign(fd);
    state_->owner = owner;
}

}  // namespace streamkeeper::net
