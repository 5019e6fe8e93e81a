#include "mock/gzip.hpp"

#include <zlib.h>

#include <array>
#include <stdexcept>

namespace streamkeeper::mock {
namespace {

constexpr int gzip_window = 15 + 16, memory_level = 8;  // zlib.h: 16 more make it gzip
constexpr std::size_t piece = 16 * 1024;

}  // namespace

void Gzip::Close::operator()(z_stream* stream) const {
    deflateEnd(stream);
    delete stream;
}

Gzip::Gzip() : stream_(new z_stream()) {
    if (deflateInit2(stream_.get(), Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip_window, memory_level, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        throw std::runtime_error("zlib does not start");
}

std::string Gzip::encode(std::string_view text, bool last) {
    std::string out;
    std::array<char, piece> room{};
    std::string input(text);
    stream_->next_in = reinterpret_cast<Bytef*>(input.data());
    stream_->avail_in = static_cast<uInt>(input.size());
    do {
        stream_->next_out = reinterpret_cast<Bytef*>(room.data());
        stream_->avail_out = room.size();
        deflate(stream_.get(), last ? Z_FINISH : Z_SYNC_FLUSH);
        out.append(room.data(), room.size() - stream_->avail_out);
    } while (stream_->avail_out == 0);
    return out;
}

}  // namespace streamkeeper::mock
