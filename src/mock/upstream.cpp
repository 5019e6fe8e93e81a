#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "mock/script.hpp"
#include "mock/session.hpp"
#include "streamkeeper/mock.hpp"

namespace streamkeeper {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                         asio::io_context::executor_type>;

constexpr int backlog = 4096;
constexpr auto accept_pause = std::chrono::milliseconds(100);

void require(const error_code& error, const std::string& what) {
    if (error) throw std::system_error(std::error_code(error), what);
}

std::string text_of_file(const std::string& name) {
    std::ifstream file(name, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file || !text) throw std::system_error(errno, std::generic_category(), "cannot read " + name);
    return text.str();
}

bool is_loopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

bool has_default_key(const mock::Script& script) {
    const std::string known = MockOptions().key;
    return std::any_of(script.keys.begin(), script.keys.end(), [&](const auto& key) { return key.secret == known; });
}

/// The script with what the other options add to it. Throws std::invalid_argument with a line for each mistake.
mock::Script script_of(const MockOptions& options) {
    const bool from_file = !options.script_file.empty();
    auto reading = mock::read_script(from_file ? text_of_file(options.script_file) : options.script,
                                     from_file ? options.script_file : "script");
    std::string mistakes;
    for (const auto& mistake : reading.mistakes) mistakes += mistake.text() + '\n';
    mock::Script& script = reading.script;
    if (!options.key.empty() && (script.keys.empty() || options.key != MockOptions().key))
        script.keys.insert(script.keys.begin(), mock::KeyRule{.name = "default", .secret = options.key});
    for (std::size_t i = 0; i < options.more_keys.size(); ++i)
        script.keys.push_back({.name = "key-" + std::to_string(i + 2), .secret = options.more_keys[i]});
    for (const std::string& text : options.limits) {
        const std::string mistake = mock::read_limit(text, script.limits.emplace_back());
        if (!mistake.empty()) mistakes += '\'' + text + "': " + mistake + '\n';
    }
    if (mistakes.empty() && has_default_key(script) && !is_loopback(options.address))
        mistakes = "streamkeeper mock: " + options.address + " is not loopback: give a key of your own with --key\n";
    if (!mistakes.empty()) throw std::invalid_argument(mistakes);
    return std::move(script);
}

std::string host_in_url(const asio::ip::address& address) {
    return address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
}

}  // namespace

struct MockUpstream::Impl {
    explicit Impl(const MockOptions& options) : Impl(options, script_of(options)) {}

    Impl(const MockOptions& options, mock::Script script)
        : default_key(has_default_key(script)),
          shared(mock::World(std::move(script), options.key.empty()), options.record_file, options.record_tokens),
          io(1),
          acceptor(io),
          pause(io) {
        if (!options.tls_certificate.empty()) use_tls(options);
        listen(options);
        accept();
        thread = std::thread([this] { io.run(); });
    }

    ~Impl() {
        io.stop();
        thread.join();
    }

    void use_tls(const MockOptions& options) {
        error_code error;
        tls.emplace(asio::ssl::context::tls_server);
        tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                         asio::ssl::context::no_tlsv1_1);
        tls->use_certificate_chain_file(options.tls_certificate, error);
        require(error, "cannot use the certificate " + options.tls_certificate);
        tls->use_private_key_file(options.tls_key, asio::ssl::context::pem, error);
        require(error, "cannot use the key " + options.tls_key);
        SSL_CTX_set_mode(tls->native_handle(), SSL_MODE_RELEASE_BUFFERS);  // idle streams hold no record buffers
        shared.tls = &*tls;
    }

    void listen(const MockOptions& options) {
        const std::string what = "cannot listen on " + options.address + ":" + std::to_string(options.port);
        error_code error;
        const auto address = asio::ip::make_address(options.address, error);
        require(error, what);
        const tcp::endpoint endpoint(address, options.port);
        acceptor.open(endpoint.protocol(), error);
        require(error, what);
        acceptor.set_option(Acceptor::reuse_address(true), error);
        acceptor.bind(endpoint, error);
        require(error, what);
        acceptor.listen(backlog, error);
        require(error, what);
        local = acceptor.local_endpoint(error);
        require(error, what);
    }

    void accept() {
        acceptor.async_accept([this](error_code error, mock::Socket socket) {
            if (!error) {
                mock::serve(std::move(socket), shared);
                return accept();
            }
            // Out of descriptors: the same error would come back at once, over and over.
            pause.expires_after(accept_pause);
            pause.async_wait([this](error_code stopped) {
                if (!stopped) accept();
            });
        });
    }

    bool default_key;
    mock::Shared shared;
    std::optional<asio::ssl::context> tls;
    asio::io_context io;  // behind what its sessions use: they end with it
    Acceptor acceptor;
    Timer pause;
    tcp::endpoint local;
    std::thread thread;
};

MockUpstream::MockUpstream(const MockOptions& options) : impl_(std::make_unique<Impl>(options)) {}
MockUpstream::~MockUpstream() = default;
std::uint16_t MockUpstream::port() const { return impl_->local.port(); }
bool MockUpstream::takes_default_key() const { return impl_->default_key; }

std::string MockUpstream::base_url() const {
    return (impl_->tls ? "https://" : "http://") + host_in_url(impl_->local.address()) + ":" + std::to_string(port()) +
           "/v1";
}

}  // namespace streamkeeper
