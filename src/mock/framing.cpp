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
    if (chunk_bytes_ != 0 && !is_stream() && !never_a_body) {
        answer_.events = 1;
        answer_.event = [body = std::move(answer_.body)](std::size_t, std::string& out) {
            out += body;
            return false;
        };
    }
    chunked_ = is_stream() && facts.chunked_allowed;
    write_head(facts);
    if (never_a_body || is_stream()) return;
    head_ += "Content-Length: " + std::to_string(answer_.body.size()) + "\r\n\r\n";
}

void Framing::write_head(const HeadFacts& facts) {
    head_.reserve(512 + answer_.body.size());
    head_ += "HTTP/1.1 " + std::to_string(answer_.status) + ' ';
    head_.append(reason(answer_.status)).append("\r\n").append(facts.date_line);
    head_ += "Server: streamkeeper-mock\r\nX-Request-Id: req_mock_" + std::to_string(facts.sequence) + "\r\n";
    if (facts.anthropic) head_ += "Request-Id: req_mock_" + std::to_string(facts.sequence) + "\r\n";
    head_ += answer_.fields;
    const bool has_content = answer_.status != 204 && answer_.status != 304;
    if (has_content) head_.append("Content-Type: ").append(answer_.content_type).append("\r\n");
    if (is_stream()) head_ += "Cache-Control: no-cache\r\n";
    if (!facts.keep_alive) head_ += "Connection: close\r\n";
    if (chunked_) head_ += "Transfer-Encoding: chunked\r\n";
    if (!has_content || is_stream()) head_ += "\r\n";
}

bool Framing::next(std::string& piece) {
    piece.clear();
    wants_pause_ = false;
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
    const bool token = fill();
    wants_pause_ = token && std::exchange(token_seen_, true);
    const std::size_t size = chunk_bytes_ == 0 ? pending_.size() : std::min(chunk_bytes_, pending_.size());
    frame(piece, std::string_view(pending_).substr(0, size));
    pending_.erase(0, size);
    silent_ = hold_ != 0 && step_ >= hold_ && pending_.empty();
    ended_ = !silent_ && step_ == answer_.events && pending_.empty();
    if (ended_ && chunked_) piece += "0\r\n\r\n";
    return true;
}

/// Gets the bytes of the next chunk. True: a pause belongs before them.
bool Framing::fill() {
    const std::size_t last = hold_ != 0 ? std::min(hold_, answer_.events) : answer_.events;
    if (chunk_bytes_ == 0) return step_ < last && answer_.event(step_++, pending_);
    while (pending_.size() < chunk_bytes_ && step_ < last) answer_.event(step_++, pending_);
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
