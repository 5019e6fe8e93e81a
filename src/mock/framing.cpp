#include "mock/framing.hpp"

#include <array>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <utility>

namespace streamkeeper::mock {
namespace {

std::string_view reason(unsigned status) {
    const auto text = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
    return {text.data(), text.size()};
}

}  // namespace

Framing::Framing(Answer answer, const Knobs& knobs, const HeadFacts& facts)
    : answer_(std::move(answer)),
      hold_(answer_.status == 200 ? knobs.hold : 0),
      chunk_bytes_(knobs.chunk_bytes.value_or(0)) {
    // RFC 9110 6.4.1: these have no content, whatever the fields say.
    const bool never_a_body = answer_.status == 204 || answer_.status == 304;
    bodyless_ = never_a_body || !facts.body_wanted;
    if (answer_.gzip && !never_a_body) gzip_.emplace();
    // An end that is told by chunks needs chunks.
    const Ending ending = answer_.wire.ending;
    const bool by_chunks = ending == Ending::end_chunked || ending == Ending::chunk_border;
    if ((chunk_bytes_ != 0 || by_chunks) && !is_stream() && !never_a_body) {
        answer_.events = 1;
        answer_.event = [body = std::move(answer_.body)](std::size_t, std::string& out) {
            out += body;
            return false;
        };
    }
    chunked_ = is_stream() && facts.chunked_allowed && !answer_.http10;
    if (gzip_ && !is_stream()) answer_.body = gzip_->encode(answer_.body, true);
    write_head(facts);
    if (never_a_body || is_stream()) return;
    if (answer_.http10)
        head_ += "\r\n";
    else
        head_ += "Content-Length: " + std::to_string(answer_.body.size()) + "\r\n\r\n";
}

void Framing::write_head(const HeadFacts& facts) {
    head_.reserve(512 + answer_.body.size());
    head_ += (answer_.http10 ? "HTTP/1.0 " : "HTTP/1.1 ") + std::to_string(answer_.status) + ' ';
    head_.append(reason(answer_.status)).append("\r\n").append(facts.date_line);
    head_ += "Server: streamkeeper-mock\r\nX-Request-Id: req_mock_" + std::to_string(facts.sequence) + "\r\n";
    if (facts.anthropic) head_ += "Request-Id: req_mock_" + std::to_string(facts.sequence) + "\r\n";
    head_ += answer_.fields;
    const bool has_content = answer_.status != 204 && answer_.status != 304;
    if (has_content) head_.append("Content-Type: ").append(answer_.content_type).append("\r\n");
    if (gzip_) head_ += "Content-Encoding: gzip\r\n";
    if (is_stream()) head_ += "Cache-Control: no-cache\r\n";
    if (!facts.keep_alive && !answer_.http10) head_ += "Connection: close\r\n";
    if (chunked_) head_ += "Transfer-Encoding: chunked\r\n";
    if (!has_content || is_stream()) head_ += "\r\n";
}

bool Framing::next(std::string& piece) {
    piece.clear();
    wants_pause_ = false;
    tokens_ = 0;
    if (silent_ || ended_) return false;
    if (!started_) piece.swap(head_);
    const bool first = !std::exchange(started_, true);
    if (bodyless_) {
        ended_ = true;
        return first;
    }
    if (!is_stream()) {
        // A held answer that is no stream promises a body and never sends it.
        silent_ = hold_ != 0;
        ended_ = true;
        if (!silent_) piece += answer_.body;
        return first;
    }
    if (first && ends_at_head(piece)) return true;
    if (comments_) pending_ = ": keep-alive\n\n";
    next_chunk(piece);
    return true;
}

/// The end of the head is a border, too.
bool Framing::ends_at_head(const std::string& piece) {
    out_ = piece.size();
    end_at_border();
    return ended_ || comments_;
}

void Framing::end_at_border() {
    const Wire& wire = answer_.wire;
    if (!wire.border || out_ < *wire.border) return;
    if (wire.ending == Ending::chunk_border) ended_ = broken_ = true;
    if (wire.ending == Ending::comments) comments_ = true;
}

void Framing::next_chunk(std::string& piece) {
    const std::size_t before = piece.size();
    const bool token = !comments_ && fill();
    wants_pause_ = token && std::exchange(token_seen_, true);
    const std::size_t size = chunk_bytes_ == 0 ? pending_.size() : std::min(chunk_bytes_, pending_.size());
    std::string payload = pending_.substr(0, size);
    pending_.erase(0, size);
    silent_ = hold_ != 0 && step_ >= hold_ && pending_.empty();
    ended_ = !silent_ && !comments_ && step_ == answer_.events && pending_.empty();
    if (gzip_) payload = gzip_->encode(payload, ended_);
    if (cut(payload)) ended_ = true;
    frame(piece, payload);
    out_ += piece.size() - before;
    if (answer_.wire.ending == Ending::chunk_border && ended_) broken_ = true;
    if (!ended_) end_at_border();
    if (ended_ && chunked_ && !broken_) piece += "0\r\n\r\n";
}

/// True: the payload ends in this chunk, because a fault says so.
bool Framing::cut(std::string& payload) {
    const Wire& wire = answer_.wire;
    if (!wire.cuts(Ending::end_chunked)) return false;
    const std::size_t left = *wire.border - payload_;
    if (payload.size() < left) {
        payload_ += payload.size();
        return false;
    }
    payload.resize(left);
    payload_ += left;
    return true;
}

/// Gets the bytes of the next chunk. True: a pause belongs before them.
bool Framing::fill() {
    const std::size_t last = hold_ != 0 ? std::min(hold_, answer_.events) : answer_.events;
    const auto one = [&] {
        const bool token = answer_.event(step_++, pending_);
        tokens_ += token ? 1 : 0;
        return token;
    };
    if (chunk_bytes_ == 0) {
        bool any = false;
        for (std::size_t i = 0; i < answer_.coalesce && step_ < last; ++i) any = one() || any;
        return any;
    }
    while (pending_.size() < chunk_bytes_ && step_ < last) one();
    return true;
}

void Framing::frame(std::string& piece, std::string_view payload) const {
    if (payload.empty()) return;  // a chunk of size 0 would end the body (RFC 9112 7.1)
    if (!chunked_) {
        piece += payload;
        return;
    }
    std::array<char, 16> size{};
    const auto end = std::to_chars(size.data(), size.data() + size.size(), payload.size(), 16).ptr;
    piece.append(size.data(), end).append("\r\n").append(payload).append("\r\n");
}

}  // namespace streamkeeper::mock
