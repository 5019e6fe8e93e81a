/// What befalls an answer's bytes on their way out, whatever they say.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace streamkeeper::mock {

enum class Ending {
    none,          ///< the answer goes out whole
    fin,           ///< the connection is closed
    rst,           ///< the connection is reset
    silence,       ///< nothing more comes, until the client leaves
    close_notify,  ///< TLS is ended in order, then the connection closed
    end_chunked,   ///< the body's payload is cut, and ended in order
    chunk_border,  ///< FIN behind a whole chunk, without the last one
    comments       ///< nothing but comments comes, until the client leaves
};

struct Wire {
    Ending ending = Ending::none;
    std::optional<std::size_t> left;    ///< bytes that still go out before the ending; none: all of them
    std::optional<std::size_t> border;  ///< of the last three endings: the byte (end_chunked: of the payload)
    std::chrono::milliseconds drip{0};  ///< between two writes; 0: written as fast as it goes
    std::size_t drip_bytes = 0;         ///< of each write; 0: one if there is a pause, else all of a piece

    bool ends_here() const { return left == std::size_t{0}; }
    bool takes_time() const { return ending == Ending::silence || drips(); }
    bool drips() const { return drip.count() != 0 || drip_bytes != 0; }
    bool cuts(Ending kind) const { return ending == kind && border.has_value(); }

    /// Shortens the next piece to what may go out, and counts it.
    void clip(std::string& piece) {
        if (!left) return;
        piece.resize(std::min(piece.size(), *left));
        *left -= piece.size();
    }
};

}  // namespace streamkeeper::mock
