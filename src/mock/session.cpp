#include "mock/session.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <limits>
#include <memory>
#include <utility>

#include "mock/door.hpp"
#include "mock/framing.hpp"
#include "mock/hints.hpp"
#include "mock/testimony.hpp"
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
constexpr auto comment_pause = std::chrono::milliseconds(50);
constexpr auto farewell = std::chrono::seconds(1);  // how long a closed connection may still be read
constexpr auto reset_patience = std::chrono::milliseconds(10'000), reset_pause = std::chrono::milliseconds(1);

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
        error_code ignored;
        ip_ = stream_.lowest_layer().remote_endpoint(ignored).address().to_string();
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
            if (request_.early) break;
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
        request_.at = shared_.now();
        request_.ip = ip_;
        request_.method = {message.method_string().data(), message.method_string().size()};
        request_.target = {message.target().data(), message.target().size()};
        request_.path = request_.target.substr(0, request_.target.find('?'));
        for (const auto& each : message)
            request_.fields.emplace_back(std::string_view(each.name_string().data(), each.name_string().size()),
                                         std::string_view(each.value().data(), each.value().size()));
        request_.knobs = read_knobs(request_.fields, request_.knob_mistake);
        if (!is_control(request_.path)) request_.sequence = ++shared_.requests;
        admit(request_, shared_.world);
        if (request_.early) return;
        if (const auto size = parser_->content_length(); size && *size > most_body()) return refuse_size();
        prepare(parser_->get().body());
        parser_->eager(true);
        if (same_name(field(request_.fields, "expect"), "100-continue") && buffer_.size() == 0) invite();
    }

    std::uint64_t most_body() const {
        return shared_.world.max_body.value_or(std::numeric_limits<std::uint64_t>::max());
    }

    void refuse_size() {
        request_.refusal = {413, "The request's body is too large.", "request_too_large"};
        request_.early = true;
    }

    /// Uploads are counted; everything that may be JSON (curl calls it a form) is kept.
    void prepare(Upload& upload) {
        upload.most = most_body();
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
        keep_alive_ = message.keep_alive() && message.version() == 11 && !request_.early;
        Answer made = answer(request_, shared_.world);
        keep_alive_ = keep_alive_ && !made.http10;
        if (request_.sequence != 0) shared_.recorder.write(request_, made);
        send(std::move(made), message.version() == 11);
    }

    void refuse_and_close(error_code error) {
        if (error == http::error::body_limit && head_seen_) {
            refuse_size();
            return respond();
        }
        state_ = State::answering;
        keep_alive_ = false;
        const bool large = error == http::error::body_limit || error == http::error::header_limit;
        send(refuse(request_, large ? 413 : 400, "The mock cannot read this request: " + error.message()), true);
    }

    void send(Answer answer, bool chunked_allowed) {
        HeadFacts facts;
        const std::string other_date = answer.date ? "Date: " + date_text(*answer.date) + "\r\n" : std::string();
        facts.date_line = answer.date ? other_date : shared_.date();
        facts.sequence = request_.sequence;
        facts.chunked_allowed = chunked_allowed;
        facts.keep_alive = keep_alive_;
        facts.body_wanted = request_.method != "HEAD";
        facts.anthropic = shape_of(request_.path) == Shape::anthropic;
        wire_ = answer.wire;
        if (wire_.ending == Ending::comments && !answer.event) {  // a document has no room for comments
            wire_.ending = Ending::silence;
            wire_.left = wire_.border;
        }
        testimony_ = answer.testimony;
        const bool own = answer.status == 200 && !answer.event && !(answer.fault && answer.fault->replaces());
        document_tokens_ = testimony_ && own ? testimony_->tokens : 0;
        const auto delay = request_.knobs.delay + answer.delay;
        framing_ = Framing(std::move(answer), request_.knobs, facts);
        const bool takes_time =
            framing_.is_stream() || delay.count() != 0 || request_.knobs.hold != 0 || wire_.takes_time();
        if (takes_time && buffer_.size() < most_pipelined) read();
        if (delay.count() == 0) return advance();
        after(delay, [](Session& session) { session.advance(); });
    }

    void advance() {
        if (wire_.ends_here()) return break_off();
        if (!framing_.next(piece_)) {
            if (framing_.silent()) return;
            return wire_.ending != Ending::none && !wire_.left ? break_off() : finish();
        }
        const std::size_t whole = piece_.size();
        wire_.clip(piece_);
        tokens_ = piece_.size() == whole ? framing_.tokens() : 0;
        written_ = 0;
        const auto interval = framing_.wants_pause() ? request_.knobs.interval : std::chrono::milliseconds(0);
        const auto pause = std::exchange(commenting_, framing_.comments()) ? comment_pause : interval;
        if (pause.count() == 0) return write();
        after(pause, [](Session& session) { session.write(); });
    }

    void write() {
        if (written_ == 0) emit(tokens_);
        const auto left = asio::buffer(piece_) + written_;
        const std::size_t most = wire_.drips() ? std::max<std::size_t>(wire_.drip_bytes, 1) : left.size();
        asio::async_write(stream_, asio::buffer(left, most), [self = self()](error_code error, std::size_t n) {
            if (error) return self->close();
            if (self->state_ == State::answering) self->written(n);
        });
    }

    void written(std::size_t n) {
        written_ += n;
        if (written_ == piece_.size()) return advance();
        after(wire_.drip, [](Session& session) { session.write(); });
    }

    void emit(std::size_t tokens) {
        if (testimony_ && tokens != 0) testimony_->emit(tokens, shared_.now());
    }

    /// The answer is over: all is said, a fault ended it, or the client.
    void end_testimony(bool client_left) {
        if (!testimony_) return;
        testimony_->end(shared_.now(), client_left);
        shared_.recorder.write_end(*testimony_);
        testimony_.reset();
    }

    void finish() {
        emit(document_tokens_);
        end_testimony(false);
        framing_ = Framing();
        if (keep_alive_) return expect_request();
        end_connection();
    }

    void end_connection() {
        if constexpr (is_tls) {
            state_ = State::closing;
            after(farewell, [](Session& session) { session.close(); });
            stream_.async_shutdown([self = self()](error_code) { self->close(); });
        } else {
            half_close();
        }
    }

    /// A half close first: a plain close with unread input would reset the answer (RFC 9112 9.6).
    void half_close() {
        state_ = State::closing;
        after(farewell, [](Session& session) { session.close(); });
        error_code ignored;
        stream_.lowest_layer().shutdown(Socket::shutdown_send, ignored);
        read();
    }

    /// The answer ends here because a fault says so. Under TLS no close_notify tells that this was meant.
    void break_off() {
        if (wire_.ending == Ending::end_chunked || wire_.ending == Ending::comments) return finish();
        framing_ = Framing();
        if (wire_.ending != Ending::silence) end_testimony(false);
        if (wire_.ending == Ending::fin || wire_.ending == Ending::chunk_border) half_close();
        if (wire_.ending == Ending::close_notify) end_connection();
        if (wire_.ending == Ending::rst) reset(reset_patience / reset_pause);
    }

    /// A reset throws away what the client's machine has not taken yet, so that is waited for.
    void reset(long tries) {
        int unsent = 0;
        ::ioctl(stream_.lowest_layer().native_handle(), SIOCOUTQ, &unsent);
        if (unsent > 0 && tries > 0) return after(reset_pause, [tries](Session& session) { session.reset(tries - 1); });
        error_code ignored;
        stream_.lowest_layer().set_option(asio::socket_base::linger(true, 0), ignored);
        close();
    }

    template <class Continuation>
    void after(std::chrono::milliseconds pause, Continuation continuation) {
        timer_.expires_after(pause);
        timer_.async_wait([self = self(), continuation](error_code error) {
            if (!error && !self->gone_) continuation(*self);
        });
    }

    void close() {
        end_testimony(true);
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
    Wire wire_;
    std::string piece_, ip_;
    std::size_t written_ = 0, tokens_ = 0, document_tokens_ = 0;
    bool commenting_ = false;
    std::shared_ptr<Testimony> testimony_;
};

}  // namespace

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
