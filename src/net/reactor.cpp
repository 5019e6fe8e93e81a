#include "net/reactor.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "net/background.hpp"

namespace streamkeeper::net {

namespace {
constexpr std::size_t events_per_turn = 64;
}

// ---- Address

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
    Address address;
    auto* const v4 = reinterpret_cast<sockaddr_in*>(address.storage);
    if (inet_pton(AF_INET, ip.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        address.size = sizeof(sockaddr_in);
        return address;
    }
    auto* const v6 = reinterpret_cast<sockaddr_in6*>(address.storage);
    if (inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        address.size = sizeof(sockaddr_in6);
    }
    return address;
}

// ---- Reactor

struct Reactor::Posted {
    std::mutex mutex;
    std::vector<std::function<void()>> work;
    std::atomic<bool> stopping{false};
    std::vector<std::shared_ptr<Watch::State>> closed;  ///< the loop's own: freed when the turn ends
};

Reactor::Reactor()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wakeup_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      posted_(std::make_unique<Posted>()) {
    epoll_event event{EPOLLIN, {nullptr}};
    if (epoll_ < 0 || wakeup_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wakeup_, &event) != 0)
        throw std::runtime_error(std::string("the event loop can't be made: ") + std::strerror(errno));
}

Reactor::~Reactor() {
    background_.reset();
    ::close(epoll_);
    ::close(wakeup_);
}

void Reactor::run() {
    std::array<epoll_event, events_per_turn> events;
    while (!posted_->stopping.load(std::memory_order_acquire)) {
        const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout());
        now_ = Clock::now();
        for (int i = 0; i < count; ++i) {
            auto* const state = static_cast<Watch::State*>(events[static_cast<std::size_t>(i)].data.ptr);
            const std::uint32_t what = events[static_cast<std::size_t>(i)].events;
            if (!state) {
                run_posted();
                continue;
            }
            if (what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) state->readable = true;
            if (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) state->ended = true;
            if (what & (EPOLLOUT | EPOLLHUP | EPOLLERR)) state->writable = true;
            if (state->owner) state->owner->notify();
        }
        ring_alarms();
        posted_->closed.clear();
    }
}

int Reactor::timeout() const {
    TimePoint next = TimePoint::max();
    for (const Alarm* const alarm : alarms_) next = std::min(next, alarm->due_);
    if (next == TimePoint::max()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 60'000));
}

void Reactor::ring_alarms() {
    for (std::size_t i = 0; i < alarms_.size(); ++i) {
        Alarm* const alarm = alarms_[i];
        if (alarm->due_ > now_) continue;
        alarm->due_ = TimePoint::max();
        alarm->tick_();
    }
}

void Reactor::run_posted() {
    std::uint64_t count = 0;
    (void)!::read(wakeup_, &count, sizeof count);
    std::vector<std::function<void()>> work;
    {
        const std::lock_guard lock(posted_->mutex);
        work.swap(posted_->work);
    }
    for (const std::function<void()>& one : work) one();
}

void Reactor::post(std::function<void()> work) {
    {
        const std::lock_guard lock(posted_->mutex);
        posted_->work.push_back(std::move(work));
    }
    const std::uint64_t one = 1;
    (void)!::write(wakeup_, &one, sizeof one);
}

void Reactor::stop() {
    posted_->stopping.store(true, std::memory_order_release);
    const std::uint64_t one = 1;
    (void)!::write(wakeup_, &one, sizeof one);
}

Reactor::Background& Reactor::background() {
    if (!background_) background_ = std::make_unique<Background>();
    return *background_;
}

void Reactor::on_signal(int number, std::function<void()> handle) {
    background().on_signal(number, [this, handle = std::move(handle)] { post(handle); });
}

void Reactor::resolve(const std::string& host, std::uint16_t port, Resolved done) {
    background().resolve(host, port, [this, done = std::move(done)](std::error_code error, std::vector<Address> found) {
        post([done, error, found = std::move(found)] { done(error, found); });
    });
}

Reactor::Alarm::Alarm(Reactor& reactor, std::function<void()> tick) : reactor_(reactor), tick_(std::move(tick)) {
    reactor_.alarms_.push_back(this);
}
Reactor::Alarm::~Alarm() { std::erase(reactor_.alarms_, this); }
void Reactor::Alarm::set(std::chrono::milliseconds delay) { due_ = Clock::now() + delay; }

// ---- Watch

Watch::Watch(Reactor& reactor, int descriptor)
    : state_(std::make_shared<State>(State{reactor, descriptor, nullptr, false, false, false})) {
    epoll_event event{EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {state_.get()}};
    ::epoll_ctl(reactor.epoll_, EPOLL_CTL_ADD, descriptor, &event);
}
Watch& Watch::operator=(Watch&& other) noexcept {
    close();
    state_ = std::move(other.state_);
    return *this;
}
Watch::~Watch() { close(); }

void Watch::close() {
    if (!state_) return;
    state_->owner = nullptr;
    // Not left to close(): while a key command is being forked, the child holds the socket too, and epoll would go on.
    ::epoll_ctl(state_->reactor.epoll_, EPOLL_CTL_DEL, state_->descriptor, nullptr);
    ::close(state_->descriptor);
    state_->reactor.posted_->closed.push_back(std::move(state_));
}

}  // namespace streamkeeper::net
