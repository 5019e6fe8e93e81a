/// Reads a multipart/form-data body (RFC 7578) as it arrives and keeps only what the mock answers with, so that an
/// upload of any size costs it no memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace streamkeeper::mock {

struct Part {
    std::string name;
    std::string filename;     ///< empty: a plain field
    std::string value;        ///< the first 4 KiB
    std::uint64_t bytes = 0;  ///< its full size
};

class Multipart {
public:
    /// `content_type` as sent; without a boundary the body is never complete.
    explicit Multipart(std::string_view content_type);
    void feed(std::string_view bytes);
    bool complete() const { return state_ == State::end; }  ///< the closing delimiter was seen
    const std::vector<Part>& parts() const { return parts_; }
    const Part* find(std::string_view name) const;  ///< nullptr: no such part

private:
    enum class State {
        preamble,   ///< before the first delimiter
        delimiter,  ///< behind a delimiter: `--` or the end of its line decides
        head,       ///< in a part's fields
        content,    ///< in a part's bytes
        end         ///< behind the closing delimiter
    };
    bool step();
    bool read_bytes();
    bool read_delimiter();
    bool read_head();
    void keep(std::string_view bytes);

    State state_ = State::preamble;
    std::string delimiter_;
    std::string pending_ = "\r\n";  // the first delimiter has no line before it
    std::size_t offset_ = 0;
    std::vector<Part> parts_;
};

}  // namespace streamkeeper::mock
