/// Follows the framing of a message body: bytes in, runs of payload out, and where the body ends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "streamkeeper/head.hpp"

namespace streamkeeper::http {

class BodyDecoder {
public:
    BodyDecoder() = default;
    explicit BodyDecoder(Framing);

    /// Takes bytes from the front of `in` (which is advanced) and returns the next run of payload, a view into them.
    /// An empty run: more bytes are needed, or the body is done, or it is broken.
    std::string_view next(std::string_view& in);

    bool done() const { return state_ == State::done; }
    /// The chunked framing is against RFC 9112, 7.1 (sizes, line ends, trailers). Nothing more is taken.
    bool broken() const { return state_ == State::broken; }
    /// The connection ended here. True if the message is whole.
    bool end_of_input();
    /// Payload bytes still announced; for chunked only of the current chunk.
    std::uint64_t remaining() const { return remaining_; }

private:
    enum class State { length, until_close, size, extension, size_lf, data, data_cr, data_lf, trailer, done, broken };
    void step(char byte);
    void read_size(char byte);
    void end_size_line();
    void read_trailer(char byte);

    State state_ = State::done;
    std::uint64_t remaining_ = 0;
    int digits_ = 0;
    std::size_t line_bytes_ = 0;  ///< of the chunk extension
    std::string trailer_line_;
    std::size_t trailer_bytes_ = 0;
};

/// The line that opens a chunk of this many bytes. `out` has room for 18 characters.
std::string_view chunk_line(std::size_t bytes, char* out);

}  // namespace streamkeeper::http
