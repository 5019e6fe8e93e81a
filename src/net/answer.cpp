#include "net/answer.hpp"

#include <variant>

namespace streamkeeper::net {

Answer::Read Answer::refill() {
    if (drained_) {
        drained_ = false;
        return Read::again;
    }
    const Io io = from_->read(scratch_, room_);
    if (io.state == Io::State::again) return Read::again;
    if (io.state != Io::State::ok) return Read::closed;
    began_ = true;
    drained_ = io.drained;
    unread_ = {scratch_, io.bytes};
    return Read::ready;
}

Answer::Read Answer::read_head(bool to_head, bool upgrade) {
    for (;;) {
        if (!unread_.empty()) {
            // Usually the whole head lies in one read; else it is gathered.
            const bool gathered = !head_bytes_.empty();
            if (gathered) head_bytes_.append(unread_);
            const std::string_view bytes = gathered ? std::string_view(head_bytes_) : unread_;
            auto parsed = http::read_response_head(bytes, max_response_head, to_head);
            if (const auto* const refusal = std::get_if<http::Refusal>(&parsed)) {
                problem_ = refusal->message;
                return Read::broken;
            }
            if (auto* const head = std::get_if<http::ResponseHead>(&parsed)) {
                const std::size_t beyond = bytes.size() - head->size;
                unread_.remove_prefix(unread_.size() - beyond);
                const bool interim = head->status < 200 && !(head->status == 101 && upgrade);
                if (head->status == 101 && !upgrade) {
                    problem_ = "101 Switching Protocols, which nobody asked for";
                    return Read::broken;
                }
                if (interim) {  // 100, 102, 103: passed over (RFC 9110, 15.2), but not for ever
                    head_bytes_.clear();
                    interim_ += head->size;
                    if (interim_ > max_response_head) {
                        problem_ = "more than 256 KiB of interim answers";
                        return Read::broken;
                    }
                    continue;
                }
                if (!gathered) {  // the views must point into bytes that stay
                    head_bytes_.assign(bytes.substr(0, head->size));
                    http::rebase(*head, bytes, head_bytes_.data());
                }
                head_ = std::move(*head);
                body_ = http::BodyDecoder(head_.body);
                return Read::ready;
            }
            if (!gathered) head_bytes_.assign(unread_);
            unread_ = {};
        }
        if (const Read read = refill(); read != Read::ready) return read;
    }
}

Answer::Read Answer::next_of_read(std::string_view& payload) {
    if (!unread_.empty()) {
        payload = body_.next(unread_);
        if (body_.broken()) {
            problem_ = "the chunked framing of the answer is broken";
            return Read::broken;
        }
        if (!payload.empty()) return Read::ready;
    }
    return body_.done() ? Read::done : Read::again;
}

Answer::Read Answer::next(std::string_view& payload) {
    for (;;) {
        if (const Read read = next_of_read(payload); read != Read::again) return read;
        if (!kept_.empty()) kept_.release();
        const Read read = refill();
        if (read == Read::closed && body_.end_of_input()) return Read::done;
        if (read != Read::ready) return read;
    }
}

Answer::Read Answer::next_raw(std::string_view& bytes) {
    if (unread_.empty())
        if (const Read read = refill(); read != Read::ready) return read;
    bytes = unread_;
    unread_ = {};
    return Read::ready;
}

void Answer::keep_unread() {
    if (unread_.empty() || (unread_.data() < scratch_ || unread_.data() >= scratch_ + room_)) return;
    Buffer moved;
    moved.reserve(unread_.size());
    moved.append(unread_);
    kept_ = std::move(moved);
    unread_ = kept_.view();
}

}  // namespace streamkeeper::net
