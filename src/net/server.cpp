#include "streamkeeper/server.hpp"

#include "net/core.hpp"

namespace streamkeeper {

Server::Server(std::shared_ptr<const Config> config, ServerHooks hooks)
    : core_(std::make_unique<net::Core>(std::move(config), std::move(hooks))) {}
Server::~Server() = default;

std::string Server::listen(const std::vector<int>& inherited) { return core_->listen(inherited); }

std::vector<std::string> Server::addresses() const {
    std::vector<std::string> texts;
    for (const std::unique_ptr<net::Listener>& listener : core_->listeners()) {
        const bool tcp = listener->address.kind == ListenAddress::Kind::tcp;
        texts.push_back((tcp ? "http://" : "") + listener->address.text + (listener->metrics_only ? " (metrics)" : ""));
    }
    return texts;
}

void Server::run() { core_->reactor.run(); }
void Server::stop() {
    core_->reactor.post([this] { core_->stop(); });
}
void Server::drain() { core_->drain(); }
std::string Server::reconfigure(std::shared_ptr<const Config> config) { return core_->reconfigure(std::move(config)); }
std::shared_ptr<const Config> Server::config() const { return core_->config; }
ServerSnapshot Server::snapshot() const { return core_->snapshot(); }
void Server::post(std::function<void()> work) { core_->reactor.post(std::move(work)); }
void Server::on_signal(int number, std::function<void()> handle) {
    core_->reactor.on_signal(number, std::move(handle));
}
void Server::every(Duration interval, std::function<void()> tick) { core_->every(interval, std::move(tick)); }

}  // namespace streamkeeper
