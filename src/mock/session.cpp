#include "mock/session.hpp"

#include <array>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <ctime>
#include <memory>
#include <utility>

#include "mock/framing.hpp"
#include "mock/upload.hpp"

namespace streamkeeper::mock {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t first_read = 16 * 1024, body_read = 64 * 1024;
constexpr std::size_t most_pipelined = 256 * 1024;
constexpr std::uint32_t most_head = 256 * 1024;
constexpr std::size_t most_json = 128 * 1024 * 1024;
constexpr auto farewell = std::chrono::seconds(1);  // how long a closed connection may still be read

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                                         asio::io_context::executor_type>;

/// While an answer takes its time, one read stays pending: it sees the client leave (a FIN counts as leaving, as in
/// nginx), and what else it brings is the next request. Every handler runs on the mock's one thread.
template <class Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
public:
    template <class... Arguments>
    Session(Shared& shared, Socket socket, Arguments&... tls)
        : shared_(shared), stream_(std::move(socket), tls...), timer_(stream_.get_executor()) {}

    void start() {
        buffer_.reserve(first_read);
        if constexpr (is_tls) {
            stream_.async_handshake(asio::ssl::stream_base::server, [self = self()](error_code error) {
                if (!error) self->expect_request();
            });
        } else {
            expect_request();
        }
    }

private:
    static constexpr bool is_tls = !std::is_same_v<Stream, Socket>;
    enum class State {
        reading,    ///< a request is expected or arriving
        answering,  ///< a request was taken, its answer is not yet out
        closing     ///< everything is said; what still arrives is thrown away
    };

    std::shared_ptr<Session> self() { return this->shared_from_this(); }

    void expect_request() {
        state_ = State::reading;
        head_seen_ = false;
        request_ = Request();  // its views point into the parser that goes now
        parser_.emplace();
        parser_->header_limit(most_head);
        parser_->body_limit(boost::none);
        take();
    }

    void read() {
        if (reading_) return;
        reading_ = true;
        auto room = buffer_.prepare(head_seen_ && state_ == State::reading ? body_read : first_read);
        stream_.async_read_some(room, [self = self()](error_code error, std::size_t n) { self->on_read(error, n); });
    }

    void on_read(error_code error, std::size_t n) {
        reading_ = false;
        if (error) return close();
        buffer_.commit(n);
        if (state_ == State::reading) return take();
        if (state_ == State::closing) buffer_.consume(buffer_.size());
        if (buffer_.size() < most_pipelined) read();
    }

    /// Feeds what is in the buffer to the parser, until the request is whole or more is needed.
    void take() {
        while (!parser_->is_done()) {
            if (buffer_.size() == 0) return read_at_pace();
            error_code error;
            buffer_.consume(parser_->put(buffer_.data(), error));
            if (error == http::error::need_more) return read_at_pace();
            if (error) return refuse_and_close(error);
            if (!head_seen_ && parser_->is_header_done()) on_head();
        }
        respond();
    }

    void read_at_pace() {
        if (!head_seen_ || request_.knobs.read_pause.count() == 0) return read();
        after(request_.knobs.read_pause, [](Session& session) { session.read(); });
    }

    void on_head() {
        head_seen_ = true;
        const auto& message = parser_->get();
        request_.sequence = ++shared_.requests;
        request_.method = {message.method_string().data(), message.method_string().size()};
        request_.target = {message.target().data(), message.target().size()};
        request_.path = request_.target.substr(0, request_.target.find('?'));
        for (const auto& each : message)
            request_.fields.emplace_back(std::string_view(each.name_string().data(), each.name_string().size()),
                                         std::string_view(each.value().data(), each.value().size()));
        request_.knobs = read_knobs(request_.fields, request_.knob_mistake);
        prepare(parser_->get().body());
        parser_->eager(true);
        if (same_name(field(request_.fields, "expect"), "100-continue") && buffer_.size() == 0) invite();
    }

    /// Uploads are counted; everything that may be JSON (curl calls it a form) is kept.
    void prepare(Upload& upload) {
        const std::string_view type = field(request_.fields, "content-type");
        if (type.substr(0, 19) == "multipart/form-data") upload.form.emplace(type);
        const auto says = [type](std::string_view word) { return type.find(word) != std::string_view::npos; };
        if (!type.empty() && !says("json") && !says("text") && !says("urlencoded")) return;
        upload.whole = true;
        upload.keep = most_json;
        if (const auto size = parser_->content_length()) upload.kept.reserve(std::min<std::size_t>(*size, most_json));
    }

    /// RFC 9110 10.1.1. Written at once: a client that waits for it has nothing else to do, and it fits any buffer.
    void invite() {
        static constexpr std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
        asio::async_write(stream_, asio::buffer(text), [self = self()](error_code, std::size_t) {});
    }

    void respond() {
        state_ = State::answering;
        const auto& message = parser_->get();
        const Upload& upload = message.body();
        request_.body = upload.kept;
        request_.body_bytes = upload.bytes;
        request_.form = upload.form ? &*upload.form : nullptr;
        shared_.recorder.write(request_);
        keep_alive_ = message.keep_alive() && message.version() == 11;
        send(answer(request_, shared_.world), message.version() == 11);
    }

    void refuse_and_close(error_code error) {
        state_ = State::answering;
        keep_alive_ = false;
        const bool large = error == http::error::body_limit || error == http::error::header_limit;
        send(refuse(request_, large ? 413 : 400, "The mock cannot read this request: " + error.message()), true);
    }

    void send(Answer answer, bool chunked_allowed) {
        HeadFacts facts;
        facts.date_line = shared_.date();
        facts.sequence = request_.sequence;
        facts.chunked_allowed = chunked_allowed;
        facts.keep_alive = keep_alive_;
        facts.body_wanted = request_.method != "HEAD";
        facts.anthropic = shape_of(request_.path) == Shape::anthropic;
        framing_ = Framing(std::move(answer), request_.knobs, facts);
        const bool takes_time = framing_.is_stream() || request_.knobs.delay.count() != 0 || request_.knobs.hold != 0;
        if (takes_time && buffer_.size() < most_pipelined) read();
        if (request_.knobs.delay.count() == 0) return advance();
        after(request_.knobs.delay, [](Session& session) { session.advance(); });
    }

    void advance() {
        if (!framing_.next(piece_)) return framing_.silent() ? void() : finish();
        if (!framing_.wants_pause() || request_.knobs.interval.count() == 0) return write();
        after(request_.knobs.interval, [](Session& session) { session.write(); });
    }

    void write() {
        asio::async_write(stream_, asio::buffer(piece_), [self = self()](error_code error, std::size_t) {
            if (error) return self->close();
            if (self->state_ == State::answering) self->advance();
        });
    }

    void finish() {
        framing_ = Framing();
        if (keep_alive_) return expect_request();
        // A half close first: a plain close with unread input would reset the answer (RFC 9112 9.6).
        state_ = State::closing;
        after(farewell, [](Session& session) { session.close(); });
        if constexpr (is_tls) {
            stream_.async_shutdown([self = self()](error_code) { self->close(); });
        } else {
            error_code ignored;
            stream_.shutdown(Socket::shutdown_send, ignored);
            read();
        }
    }

    template <class Continuation>
    void after(std::chrono::milliseconds pause, Continuation continuation) {
        timer_.expires_after(pause);
        timer_.async_wait([self = self(), continuation](error_code error) {
            if (!error && !self->gone_) continuation(*self);
        });
    }

    void close() {
        gone_ = true;
        timer_.cancel();
        error_code ignored;
        stream_.lowest_layer().close(ignored);
        state_ = State::closing;
    }

    Shared& shared_;
    Stream stream_;
    Timer timer_;
    boost::beast::flat_buffer buffer_;
    std::optional<http::request_parser<UploadBody>> parser_;
    State state_ = State::reading;
    bool head_seen_ = false, reading_ = false, keep_alive_ = true, gone_ = false;
    Request request_;
    Framing framing_;
    std::string piece_;
};

}  // namespace

const std::string& Shared::date() {
    const std::time_t now = std::time(nullptr);
    if (now != date_second_) {
        std::array<char, 64> text{};
        std::tm broken{};
        gmtime_r(&now, &broken);
        std::strftime(text.data(), text.size(), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &broken);
        date_second_ = now;
        date_ = text.data();
    }
    return date_;
}

void serve(Socket socket, Shared& shared) {
    error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    if (shared.tls) {
        std::make_shared<Session<asio::ssl::stream<Socket>>>(shared, std::move(socket), *shared.tls)->start();
    } else {
        std::make_shared<Session<Socket>>(shared, std::move(socket))->start();
    }
}

}  // namespace streamkeeper::mock
