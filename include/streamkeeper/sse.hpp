/// Server-sent events: bytes in, complete events out, bytes unchanged.
///
/// The event relay's unit is the complete event: everything up to and including the blank line that ends it
/// (WHATWG HTML, 9.2.6 "Interpreting an event stream"). Lines may end in LF, CRLF or CR, mixed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace streamkeeper::sse {

/// Longest event accepted; a longer one is a break of the stream (resumption.md).
inline constexpr std::size_t max_event = 16u << 20;

/// Where the next line ends, in one run of bytes that is walked from front to back. Each byte is searched at most once
/// for LF and once for CR, so that no mixture of line ends makes the walk quadratic.
class LineEnds {
public:
    LineEnds() = default;
    explicit LineEnds(std::string_view bytes) : end_(bytes.data() + bytes.size()) {}
    /// The first LF or CR at or after `p`, or the end. `p` must not go back.
    const char* at_or_after(const char* p);

private:
    const char* end_ = nullptr;
    const char* lf_ = nullptr;  ///< the LF found last, or the end; null before the first search
    const char* cr_ = nullptr;
};

/// Cuts a byte stream into complete events. Feed bytes, then call `next` until it returns false.
/// Events that lie whole in one feed are views into it and are never copied; only an event that straddles two feeds is.
/// The events and the pending bytes, put together, are the bytes fed. A blank line that ends nothing is given as an
/// event of its own, without fields.
///
/// An event is given in the call in which its last byte was fed. So one whose blank line ends in CR at the end of a
/// feed is given at once, and if the next feed begins with the LF of that CRLF, this LF becomes the first byte of the
/// next event: to every reader of event streams it is either part of the CRLF or a blank line that means nothing.
class Splitter {
public:
    /// `bytes` must stay valid until `next` has returned false, and `next` must have returned false before.
    void feed(std::string_view bytes);
    /// The next complete event, its blank line included. A CR LF that two feeds tear apart counts as one line end.
    /// The view is valid until the next call of `next` or `feed`; a view into the fed bytes as long as these.
    bool next(std::string_view& event);
    /// Bytes of an event that has not ended yet (call it when `next` has returned false). Never shown to a client.
    /// A LF torn off the end of the event before is not counted.
    std::size_t pending() const { return carry_ == "\n" ? 0 : carry_.size(); }
    bool too_long() const { return pending() > max_event; }

private:
    const char* event_end();

    std::string carry_;       ///< the beginning of an event whose end has not come
    std::string straddling_;  ///< a straddling event while the caller looks at it
    std::string_view rest_;   ///< what is left of the bytes fed last
    LineEnds lines_;          ///< line ends in `rest_`
    bool line_empty_ = true;  ///< the current line has no byte yet
    bool after_cr_ = false;   ///< the last byte was CR: a LF belongs to the same line end
};

/// The fields of one event that matter. Several `data` lines are rare and are joined by LF in `joined`.
struct Event {
    std::string_view name;   ///< `event:`, empty for "message"
    std::string_view data;   ///< `data:` without one leading space
    std::string_view error;  ///< `error:`, a field that older llama.cpp servers use instead of `data`
    bool has_data = false;
};

/// Reads an event's fields. `joined` is used as storage only if there are several `data` lines. A BOM is skipped.
Event read(std::string_view event, std::string& joined);

}  // namespace streamkeeper::sse
