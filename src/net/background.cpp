#include "net/background.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstring>
#include <future>
#include <thread>

namespace streamkeeper::net {

namespace asio = boost::asio;

namespace {

struct Signal {
    Signal(asio::io_context& context, int number, std::function<void()> then)
        : set(context, number), handle(std::move(then)) {}
    void wait() {
        set.async_wait([this](const boost::system::error_code& error, int) {
            if (error) return;
            handle();
            wait();
        });
    }
    asio::signal_set set;
    std::function<void()> handle;
};

}  // namespace

struct Reactor::Background::Impl {
    asio::io_context context;
    asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(context);
    asio::ip::tcp::resolver resolver{context};
    std::vector<std::unique_ptr<Signal>> signals;
    std::thread thread;
};

Reactor::Background::Background() : impl(std::make_unique<Impl>()) {
    impl->thread = std::thread([context = &impl->context] { context->run(); });
}

Reactor::Background::~Background() {
    impl->context.stop();
    impl->thread.join();
}

void Reactor::Background::on_signal(int number, std::function<void()> handle) {
    // On the background thread, because everything of one io_context is; waited for, so that no signal finds the
    // default.
    std::promise<void> handled;
    asio::post(impl->context, [&, own = impl.get()] {
        own->signals.push_back(std::make_unique<Signal>(own->context, number, std::move(handle)));
        own->signals.back()->wait();
        handled.set_value();
    });
    handled.get_future().wait();
}

void Reactor::Background::resolve(const std::string& host, std::uint16_t port, Resolved done) {
    impl->resolver.async_resolve(host, std::to_string(port), asio::ip::tcp::resolver::numeric_service,
                                 [done = std::move(done)](const boost::system::error_code& error,
                                                          const asio::ip::tcp::resolver::results_type& found) {
                                     std::vector<Address> addresses;
                                     for (const auto& entry : found) {
                                         Address address;
                                         address.size = static_cast<std::uint32_t>(entry.endpoint().size());
                                         std::memcpy(address.storage, entry.endpoint().data(), address.size);
                                         addresses.push_back(address);
                                     }
                                     done(error, std::move(addresses));
                                 });
}

}  // namespace streamkeeper::net
