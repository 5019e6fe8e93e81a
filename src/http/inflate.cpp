#include "streamkeeper/inflate.hpp"

#include <zlib.h>

#include <array>

#include "streamkeeper/head.hpp"

namespace streamkeeper::http {

namespace {
constexpr int detect_header = 32 + MAX_WBITS;   // zlib.h, inflateInit2: gzip or zlib, by the header
constexpr std::size_t largest_feed = 4u << 20;  // a "zip bomb" in one read
}  // namespace

struct Inflater::State {
    z_stream stream{};
    bool maybe_raw = false;  ///< "deflate" means the zlib format, and some servers send it without its header
    State() { inflateInit2(&stream, detect_header); }
    ~State() { inflateEnd(&stream); }
};

Inflater::Inflater() : state_(std::make_unique<State>()) {}
Inflater::~Inflater() = default;

std::unique_ptr<Inflater> Inflater::of(std::string_view coding) {
    const bool known = equal_ignoring_case(coding, "gzip") || equal_ignoring_case(coding, "x-gzip") ||
                       equal_ignoring_case(coding, "deflate");
    if (!known) return nullptr;
    std::unique_ptr<Inflater> inflater(new Inflater);
    inflater->state_->maybe_raw = equal_ignoring_case(coding, "deflate");
    return inflater;
}

bool Inflater::feed(std::string_view in, std::string& out) {
    std::array<char, 16384> block;
    z_stream& stream = state_->stream;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream.avail_in = static_cast<uInt>(in.size());
    if (state_->maybe_raw && !in.empty()) {
        constexpr int zlib_method = 8;  // RFC 1950, 2.2: the low half of the first byte
        if ((in.front() & 15) != zlib_method) inflateReset2(&stream, -MAX_WBITS);
        state_->maybe_raw = false;
    }
    for (std::size_t produced = 0; produced <= largest_feed;) {
        if (finished_) return stream.avail_in == 0;
        stream.next_out = reinterpret_cast<Bytef*>(block.data());
        stream.avail_out = static_cast<uInt>(block.size());
        const int result = inflate(&stream, Z_SYNC_FLUSH);
        const std::size_t made = block.size() - stream.avail_out;
        out.append(block.data(), made);
        produced += made;
        if (result == Z_STREAM_END)
            finished_ = true;
        else if (result == Z_BUF_ERROR || (result == Z_OK && stream.avail_out > 0))
            return true;
        else if (result != Z_OK)
            return false;
    }
    return false;
}

}  // namespace streamkeeper::http
