#include "net/transport.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/tls.hpp"

namespace streamkeeper::net {

namespace {
constexpr std::size_t max_pieces = 64;
constexpr std::size_t tls_record = 16384;
}  // namespace

struct Transport::Tls {
    SSL* ssl = nullptr;
    bool short_read = false;  ///< the socket gave less than OpenSSL asked for: it has no more
    ~Tls() {
        // A quiet shutdown writes nothing, but without it OpenSSL would take the session for a broken one.
        SSL_set_quiet_shutdown(ssl, 1);
        SSL_shutdown(ssl);
        SSL_free(ssl);
    }
    /// Readiness comes as edges, so somebody must see that the socket is empty; asking it again would cost a system
    /// call.
    static long seen(BIO* bio, int operation, const char*, std::size_t wanted, int, long, int result,
                     std::size_t* done) {
        if (operation == (BIO_CB_READ | BIO_CB_RETURN))
            reinterpret_cast<Tls*>(BIO_get_callback_arg(bio))->short_read = result <= 0 || *done < wanted;
        return result;
    }
};

Transport::Transport() = default;
Transport::Transport(Reactor& reactor, int descriptor) : watch_(reactor, descriptor) {}
Transport::Transport(Transport&& other) noexcept = default;
Transport& Transport::operator=(Transport&& other) noexcept {
    close();
    watch_ = std::move(other.watch_);
    tls_ = std::move(other.tls_);
    return *this;
}
Transport::~Transport() { close(); }

bool Transport::start_tls(TlsContext& context) {
    SSL* const ssl = context.open(watch_.descriptor());
    if (!ssl) return false;
    tls_ = std::make_unique<Tls>();
    tls_->ssl = ssl;
    BIO_set_callback_ex(SSL_get_rbio(ssl), Tls::seen);
    BIO_set_callback_arg(SSL_get_rbio(ssl), reinterpret_cast<char*>(tls_.get()));
    return true;
}

ssl_st* Transport::ssl() { return tls_ ? tls_->ssl : nullptr; }

Io Transport::tls_result(int result) {
    Io io;
    switch (SSL_get_error(tls_->ssl, result)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE: io.state = Io::State::again; break;
        case SSL_ERROR_ZERO_RETURN: io.state = Io::State::end; break;
        case SSL_ERROR_SYSCALL:
            io.state = Io::State::error;
            io.error = errno;
            break;
        default: {
            // Without close_notify: whether the message was whole, its own framing tells (architecture.md).
            const bool truncated = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
            io.state = truncated ? Io::State::end : Io::State::error;
        }
    }
    return io;
}

Io Transport::handshake(bool& wants_write) {
    ERR_clear_error();
    const int result = SSL_do_handshake(tls_->ssl);
    if (result == 1) return {Io::State::ok};
    wants_write = SSL_want_write(tls_->ssl);
    return tls_result(result);
}

Io Transport::read(char* to, std::size_t room) {
    if (tls_) {
        SSL* const ssl = tls_->ssl;
        ERR_clear_error();
        std::size_t got = 0;
        const int result = SSL_read_ex(ssl, to, room, &got);
        if (result != 1) return tls_result(result);
        return {Io::State::ok, got, tls_->short_read && SSL_has_pending(ssl) == 0 && !watch_.ended()};
    }
    const ssize_t got = ::recv(watch_.descriptor(), to, room, 0);
    if (got > 0)
        return {Io::State::ok, static_cast<std::size_t>(got), static_cast<std::size_t>(got) < room && !watch_.ended()};
    if (got == 0) return {Io::State::end};
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {Io::State::again, 0, true};
    return {Io::State::error, 0, true, errno};
}

Io Transport::write(std::span<const std::string_view> pieces) {
    Io total;
    total.state = Io::State::ok;
    while (!pieces.empty()) {
        const Io io = tls_ ? tls_write(pieces) : plain_write(pieces);
        total.bytes += io.bytes;
        if (io.state != Io::State::ok) {
            total.state = io.state;
            total.error = io.error;
            return total;
        }
        std::size_t taken = io.bytes;
        while (!pieces.empty() && taken >= pieces.front().size()) {
            taken -= pieces.front().size();
            pieces = pieces.subspan(1);
        }
        if (taken == 0) continue;
        const std::string_view rest = pieces.front().substr(taken);
        const Io tail = write(std::span(&rest, 1));
        total.bytes += tail.bytes;
        if (tail.state != Io::State::ok) {
            total.state = tail.state;
            total.error = tail.error;
            return total;
        }
        pieces = pieces.subspan(1);
    }
    return total;
}

Io Transport::plain_write(std::span<const std::string_view> pieces) {
    std::array<iovec, max_pieces> vectors;
    const std::size_t count = std::min(pieces.size(), max_pieces);
    for (std::size_t i = 0; i < count; ++i) vectors[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(watch_.descriptor(), &message, MSG_NOSIGNAL);
    if (sent >= 0) return {Io::State::ok, static_cast<std::size_t>(sent)};
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {Io::State::again};
    return {Io::State::error, 0, false, errno};
}

/// One record at a time; small pieces are put together, so that a head and its body are one record and one write.
Io Transport::tls_write(std::span<const std::string_view> pieces) {
    std::array<char, tls_record> record;
    std::string_view bytes = pieces.front();
    if (bytes.size() < tls_record && pieces.size() > 1) {
        std::size_t filled = 0;
        for (const std::string_view piece : pieces) {
            const std::size_t part = std::min(piece.size(), tls_record - filled);
            std::memcpy(record.data() + filled, piece.data(), part);
            filled += part;
            if (filled == tls_record) break;
        }
        bytes = {record.data(), filled};
    }
    if (bytes.empty()) return {Io::State::ok};
    ERR_clear_error();
    std::size_t written = 0;
    const int result = SSL_write_ex(tls_->ssl, bytes.data(), std::min(bytes.size(), tls_record), &written);
    if (result == 1) return {Io::State::ok, written};
    return tls_result(result);
}

bool Transport::stale() {
    if (watch_.ended()) return true;
    if (!watch_.take_readable()) return false;
    // Something came; an edge that was served already, or a session ticket of TLS, leaves nothing to be read.
    char byte;
    if (!tls_) return ::recv(watch_.descriptor(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
    ERR_clear_error();
    std::size_t seen = 0;
    const int result = SSL_peek_ex(tls_->ssl, &byte, 1, &seen);
    return result == 1 || SSL_get_error(tls_->ssl, result) != SSL_ERROR_WANT_READ;
}

bool Transport::has_surplus() const { return tls_ && SSL_has_pending(tls_->ssl); }

void Transport::finish_writing() { ::shutdown(watch_.descriptor(), SHUT_WR); }

void Transport::close() {
    tls_.reset();
    watch_.close();
}

void Transport::abort() {
    const linger now{1, 0};
    ::setsockopt(watch_.descriptor(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
}

}  // namespace streamkeeper::net
