#include "streamkeeper/sse.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace streamkeeper::sse {
namespace {

constexpr std::size_t kept_capacity = 16u << 10;

const char* find_byte(const char* p, const char* end, char byte) {
    const void* found = p == end ? nullptr : std::memchr(p, byte, static_cast<std::size_t>(end - p));
    return found == nullptr ? end : static_cast<const char*>(found);
}

std::string_view between(const char* p, const char* end) { return {p, static_cast<std::size_t>(end - p)}; }

/// The value of `line` if its field is `name`: behind the colon, without one leading space.
bool field(std::string_view line, std::string_view name, std::string_view& value) {
    if (!line.starts_with(name)) return false;
    line.remove_prefix(name.size());
    if (!line.empty() && line.front() != ':') return false;
    line.remove_prefix(std::min<std::size_t>(line.size(), line.starts_with(": ") ? 2 : 1));
    value = line;  // a line without a colon is a field with an empty value
    return true;
}

}  // namespace

const char* LineEnds::at_or_after(const char* p) {
    if (lf_ == nullptr || lf_ < p) lf_ = find_byte(p, end_, '\n');
    if (cr_ == nullptr || cr_ < p) cr_ = find_byte(p, end_, '\r');
    return std::min(lf_, cr_);
}

void Splitter::feed(std::string_view bytes) {
    rest_ = bytes;
    lines_ = LineEnds(bytes);
}

/// Behind the current event's last byte, or null if `rest_` ends before it does.
const char* Splitter::event_end() {
    const char* p = rest_.data();
    const char* end = p + rest_.size();
    while (p != end) {
        if (std::exchange(after_cr_, false) && *p == '\n') {
            ++p;
            continue;
        }
        const char* stop = lines_.at_or_after(p);
        const bool blank = line_empty_ && stop == p;
        line_empty_ = stop != end;
        if (stop == end) return nullptr;
        after_cr_ = *stop == '\r';
        p = stop + 1;
        if (!blank) continue;
        if (after_cr_ && p != end && *p == '\n') {
            after_cr_ = false;
            ++p;
        }
        return p;
    }
    return nullptr;
}

bool Splitter::next(std::string_view& event) {
    // One huge event must not cost its memory for the rest of an idle stream.
    if (straddling_.capacity() > kept_capacity) straddling_ = std::string();
    if (rest_.empty()) return false;
    const char* end = event_end();
    const std::string_view bytes = end == nullptr ? rest_ : between(rest_.data(), end);
    rest_.remove_prefix(bytes.size());
    if (end == nullptr) {
        carry_ += bytes;
        return false;
    }
    event = bytes;
    if (!carry_.empty()) {
        carry_ += bytes;
        straddling_.swap(carry_);
        carry_.clear();
        event = straddling_;
    }
    return true;
}

Event read(std::string_view event, std::string& joined) {
    Event fields;
    if (event.starts_with("\xEF\xBB\xBF")) event.remove_prefix(3);
    LineEnds lines(event);
    bool several = false;
    const char* end = event.data() + event.size();
    for (const char* p = event.data(); p < end;) {
        const char* stop = lines.at_or_after(p);
        const std::string_view line = between(p, stop);
        p = stop == end ? end : stop + 1;  // the LF of a CRLF reads as an empty line, which means nothing here
        std::string_view value;
        if (field(line, "data", value)) {
            if (!fields.has_data) {
                fields.data = value;
            } else {
                if (!std::exchange(several, true)) joined = fields.data;
                joined.append(1, '\n').append(value);
            }
            fields.has_data = true;
        } else if (!field(line, "event", fields.name)) {
            field(line, "error", fields.error);
        }
    }
    if (several) fields.data = joined;
    return fields;
}

}  // namespace streamkeeper::sse
