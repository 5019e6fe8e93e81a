#include "net/client_writer.hpp"

#include "streamkeeper/framing.hpp"

namespace streamkeeper::net {

void ClientWriter::send(std::span<const std::string_view> pieces) {
    if (failed_) return;
    std::size_t written = 0;
    if (kept_.empty()) {
        const Io io = client_.write(pieces);
        failed_ = io.state == Io::State::error;
        written = io.bytes;
    }
    bytes_ += written;
    if (failed_) return;
    for (const std::string_view piece : pieces) {
        const std::size_t skip = std::min(written, piece.size());
        written -= skip;
        kept_.append(piece.substr(skip));
    }
}

void ClientWriter::send_chunk(std::string_view before, std::span<const std::string_view> pieces, bool last) {
    std::size_t size = 0;
    for (const std::string_view piece : pieces) size += piece.size();
    char line[18];
    gathered_.clear();
    if (!before.empty()) gathered_.push_back(before);
    if (size > 0) {  // an empty chunk would end the body
        gathered_.push_back(http::chunk_line(size, line));
        gathered_.insert(gathered_.end(), pieces.begin(), pieces.end());
        gathered_.push_back("\r\n");
    }
    if (last) gathered_.push_back("0\r\n\r\n");
    if (!gathered_.empty()) send(gathered_);
}

bool ClientWriter::flush() {
    if (failed_ || kept_.empty()) return false;
    const std::string_view bytes = kept_.view();
    const Io io = client_.write(std::span(&bytes, 1));
    failed_ = io.state == Io::State::error;
    bytes_ += io.bytes;
    kept_.consume(io.bytes);
    if (kept_.empty()) kept_.release();
    return io.bytes > 0;
}

}  // namespace streamkeeper::net
