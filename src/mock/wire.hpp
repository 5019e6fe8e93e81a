/// What befalls an answer's bytes on their way out, whatever they say.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace streamkeeper::mock {

enum class Ending {
    none,    ///< the answer goes out whole
    fin,     ///< the connection is closed
    rst,     ///< the connection is reset
    silence  ///< nothing more comes, until the client leaves
};

struct Wire {
    Ending ending = Ending::none;
    std::optional<std::size_t> left;    ///< bytes that still go out before the ending; none: all of them
    std::chrono::milliseconds drip{0};  ///< between two writes; 0: written as fast as it goes
    std::size_t drip_bytes = 1;         ///< of each write

    bool ends_here() const { return left == std::size_t{0}; }
    bool takes_time() const { return ending == Ending::silence || drip.count() != 0; }

    /// Shortens the next piece to what may go out, and counts it.
    void clip(std::string& piece) {
        if (!left) return;
        piece.resize(std::min(piece.size(), *left));
        *left -= piece.size();
    }
};

}  // namespace streamkeeper::mock
