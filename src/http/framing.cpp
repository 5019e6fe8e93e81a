#include "streamkeeper/framing.hpp"

#include <algorithm>
#include <utility>

namespace streamkeeper::http {

namespace {
constexpr std::size_t max_extension = 256, max_trailers = 8192;

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
}  // namespace

BodyDecoder::BodyDecoder(Framing framing) : remaining_(framing.length) {
    switch (framing.kind) {
        case Framing::Kind::none: state_ = State::done; break;
        case Framing::Kind::length: state_ = State::length; break;
        case Framing::Kind::chunked:
            state_ = State::size;
            remaining_ = 0;
            break;
        case Framing::Kind::until_close: state_ = State::until_close; break;
    }
}

std::string_view BodyDecoder::next(std::string_view& in) {
    while (!in.empty()) {
        if (state_ == State::done || state_ == State::broken) return {};
        if (state_ == State::until_close) return std::exchange(in, {});
        if (state_ == State::length || state_ == State::data) {
            const std::string_view run =
                in.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, in.size())));
            in.remove_prefix(run.size());
            remaining_ -= run.size();
            if (remaining_ == 0) state_ = state_ == State::length ? State::done : State::data_cr;
            return run;
        }
        step(in.front());
        in.remove_prefix(1);
    }
    return {};
}

bool BodyDecoder::end_of_input() {
    if (state_ == State::until_close) state_ = State::done;
    return state_ == State::done;
}

void BodyDecoder::step(char byte) {
    switch (state_) {
        case State::size: read_size(byte); break;
        case State::extension:
            // Extensions are ignored (RFC 9112, 7.1.1), but only harmless ones: bounded, without control bytes.
            if (byte == '\r')
                state_ = State::size_lf;
            else if ((static_cast<unsigned char>(byte) < 0x20 && byte != '\t') || byte == 0x7f ||
                     ++line_bytes_ > max_extension)
                state_ = State::broken;
            break;
        case State::size_lf:
            if (byte == '\n')
                end_size_line();
            else
                state_ = State::broken;
            break;
        case State::data_cr: state_ = byte == '\r' ? State::data_lf : State::broken; break;
        case State::data_lf:
            state_ = byte == '\n' ? State::size : State::broken;
            digits_ = 0;
            break;
        case State::trailer: read_trailer(byte); break;
        default: break;
    }
}

void BodyDecoder::read_size(char byte) {
    const int value = hex_value(byte);
    if (value >= 0 && digits_ < 15) {
        remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(value);
        ++digits_;
    } else if (value < 0 && digits_ > 0 && (byte == '\r' || byte == ';')) {
        state_ = byte == '\r' ? State::size_lf : State::extension;
        line_bytes_ = 0;
    } else {
        state_ = State::broken;
    }
}

void BodyDecoder::end_size_line() {
    digits_ = 0;
    state_ = remaining_ > 0 ? State::data : State::trailer;
}

void BodyDecoder::read_trailer(char byte) {
    // Trailers are judged like header lines and dropped.
    if (++trailer_bytes_ > max_trailers) {
        state_ = State::broken;
        return;
    }
    if (byte != '\n') {
        trailer_line_.push_back(byte);
        return;
    }
    if (trailer_line_ == "\r") {
        state_ = State::done;
        trailer_line_ = {};
        return;
    }
    const bool ends_well = !trailer_line_.empty() && trailer_line_.back() == '\r';
    if (ends_well) trailer_line_.pop_back();
    if (!ends_well || !valid_field_line(trailer_line_)) state_ = State::broken;
    trailer_line_.clear();
}

std::string_view chunk_line(std::size_t bytes, char* out) {
    char* const end = out + 18;
    char* at = end;
    *--at = '\n';
    *--at = '\r';
    do {
        *--at = "0123456789abcdef"[bytes & 15];
        bytes >>= 4;
    } while (bytes > 0);
    return {at, static_cast<std::size_t>(end - at)};
}

}  // namespace streamkeeper::http
