/// An answer as bytes on the wire: the head, and the body or the next chunk of it.
#pragma once

#include <optional>
#include <string>

#include "mock/answer.hpp"
#include "mock/gzip.hpp"

namespace streamkeeper::mock {

struct HeadFacts {
    std::string_view date_line;  ///< with its CRLF
    std::uint64_t sequence = 0;
    bool chunked_allowed = true;  ///< false: HTTP/1.0
    bool keep_alive = true;
    bool body_wanted = true;  ///< false: HEAD
    bool anthropic = false;   ///< its SDKs read the request's id from a field of their own
};

/// Turns one answer into pieces, each meant to be one write.
class Framing {
public:
    Framing() = default;
    Framing(Answer, const Knobs&, const HeadFacts&);

    /// Makes the next piece. False: everything has been given out.
    bool next(std::string& piece);
    bool wants_pause() const { return wants_pause_; }  ///< the piece just made comes after the interval
    bool silent() const { return silent_; }            ///< held: nothing comes after the piece just made
    bool comments() const { return comments_; }        ///< the piece just made is only a comment
    std::size_t tokens() const { return tokens_; }     ///< in the piece just made
    bool is_stream() const { return static_cast<bool>(answer_.event); }

private:
    void write_head(const HeadFacts&);
    bool fill();
    bool ends_at_head(const std::string& piece);
    void next_chunk(std::string& piece);
    bool cut(std::string& payload);
    void end_at_border();
    void frame(std::string& piece, std::string_view payload) const;

    Answer answer_;
    std::size_t step_ = 0, hold_ = 0, chunk_bytes_ = 0;
    bool chunked_ = false, bodyless_ = false, started_ = false, token_seen_ = false;
    bool wants_pause_ = false, silent_ = false, ended_ = false;
    bool comments_ = false, broken_ = false;
    std::size_t tokens_ = 0, out_ = 0, payload_ = 0;
    std::optional<Gzip> gzip_;
    std::string head_, pending_;
};

}  // namespace streamkeeper::mock
