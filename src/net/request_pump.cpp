#include "net/request_pump.hpp"

#include "net/session.hpp"

namespace streamkeeper::net {

RequestPump::RequestPump(std::string head, std::vector<std::string_view> body) : head_(std::move(head)) {
    pieces_.reserve(body.size() + 1);
    pieces_.push_back(head_);
    pieces_.insert(pieces_.end(), body.begin(), body.end());
}

RequestPump::RequestPump(std::string head, http::BodyDecoder from_client, bool chunked)
    : head_(std::move(head)), decoder_(std::move(from_client)), streaming_(true), chunked_(chunked) {}

RequestPump::State RequestPump::pump(Session& session, Transport& to) {
    if (state_ == State::done || state_ == State::upstream_failed || state_ == State::client_broken) return state_;
    return state_ = streaming_ ? pump_stream(session, to) : pump_memory(to);
}

RequestPump::State RequestPump::pump_memory(Transport& to) {
    const Io io = to.write(pieces_);
    written_ += io.bytes;
    std::size_t taken = io.bytes, whole = 0;
    while (whole < pieces_.size() && taken >= pieces_[whole].size()) taken -= pieces_[whole++].size();
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(whole));
    if (!pieces_.empty()) pieces_.front().remove_prefix(taken);
    if (io.state == Io::State::error) return State::upstream_failed;
    return pieces_.empty() ? State::done : State::blocked;
}

/// Writes all, or keeps what is left as bytes of our own.
RequestPump::State RequestPump::write(Transport& to, std::vector<std::string_view>& pieces) {
    const Io io = to.write(pieces);
    written_ += io.bytes;
    if (io.state == Io::State::error) return State::upstream_failed;
    std::size_t skip = io.bytes;
    for (const std::string_view piece : pieces) {
        const std::size_t gone = std::min(skip, piece.size());
        skip -= gone;
        kept_.append(piece.substr(gone));
    }
    return kept_.empty() ? State::done : State::blocked;
}

RequestPump::State RequestPump::pump_stream(Session& session, Transport& to) {
    const std::uint64_t before_turn = written_;
    std::vector<std::string_view> pieces;
    if (!kept_.empty()) {
        Buffer kept = std::move(kept_);
        pieces.push_back(kept.view());
        if (const State state = write(to, pieces); state != State::done) return state;
    }
    for (;;) {
        pieces.clear();
        if (!head_sent_) pieces.push_back(head_);
        session.fill();
        std::string_view unread = session.in.view();
        const std::size_t before = unread.size();
        const std::string_view run = decoder_.next(unread);
        if (decoder_.broken()) return State::client_broken;
        char line[18];
        if (!run.empty() && chunked_) pieces.push_back(http::chunk_line(run.size(), line));
        if (!run.empty()) pieces.push_back(run);
        if (!run.empty() && chunked_) pieces.push_back("\r\n");
        const bool last = decoder_.done() && chunked_ && !last_chunk_sent_;
        if (last) pieces.push_back("0\r\n\r\n");
        if (pieces.empty()) {
            session.in.consume(before - unread.size());
            return decoder_.done() ? State::done : State::starved;
        }
        head_sent_ = true;
        last_chunk_sent_ = last_chunk_sent_ || last;
        const State state = write(to, pieces);
        session.in.consume(before - unread.size());
        if (state != State::done) return state;
        if (decoder_.done()) return State::done;
        if (written_ - before_turn < fair_share) continue;
        session.wake_later();  // a transfer that never has to wait lets the others go on
        return State::starved;
    }
}

}  // namespace streamkeeper::net
