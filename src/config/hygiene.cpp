// clean_secret: a key as people paste it, made into the bytes that a header carries.
#include <algorithm>
#include <array>

#include "secrets.hpp"
#include "streamkeeper/config.hpp"

namespace streamkeeper {
namespace {

struct CodePoint {
    char32_t value = 0;
    std::size_t length = 1;  ///< bytes; a byte that is no UTF-8 stands for itself
};

CodePoint code_point(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1;
    if (length == 1 || text.size() < length) return {lead, 1};
    char32_t value = lead & (0xff >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return {lead, 1};
        value = value << 6 | (byte(i) & 0x3f);
    }
    return {value, length};
}

/// What a person can't see and a page or an editor slips in; empty for anything else.
std::string_view invisible_name(char32_t c) {
    if (c == 0xfeff) return "a byte order mark";
    if (c == 0xa0 || c == 0x202f) return "a no-break space";
    if ((c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x2064) || c == 0xad ||
        c == 0x180e) {
        return "a zero-width character";
    }
    if (c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x205f || c == 0x3000) {
        return "a Unicode space";
    }
    return {};
}

constexpr std::array<std::string_view, 13> quotes{"\"", "'", "`", "“", "”", "„", "‟", "‘", "’", "‚", "‛", "«", "»"};

constexpr std::string_view blanks = " \t\n\r\v\f";

bool starts_with_word(std::string_view text, std::string_view word) {
    return text.size() >= word.size() && std::equal(word.begin(), word.end(), text.begin(), [](char a, char b) {
               return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + 32) : b);
           });
}

/// One pasted text on its way to a key. The order matters: a no-break space may hide a quote, a quote a `Bearer`.
class Cleaning {
public:
    explicit Cleaning(std::string_view raw) {
        text_.reserve(raw.size());
        while (!raw.empty()) {
            const CodePoint point = code_point(raw);
            const std::string_view name = invisible_name(point.value);
            if (point.length == 1 || name.empty()) {
                text_.append(raw.substr(0, point.length));
            } else {
                say(name);
            }
            raw.remove_prefix(point.length);
        }
        rest_ = text_;
        while (trim() || unquote() || unprefix()) {
        }
    }
    Cleaning(const Cleaning&) = delete;
    Cleaning& operator=(const Cleaning&) = delete;
    ~Cleaning() { configuration::cleanse(text_); }

    std::string_view rest() const { return rest_; }
    std::vector<std::string> stripped() && { return std::move(stripped_); }

private:
    void say(std::string_view what) {
        if (std::find(stripped_.begin(), stripped_.end(), what) == stripped_.end()) stripped_.emplace_back(what);
    }

    bool trim() {
        const std::size_t first = std::min(rest_.find_first_not_of(blanks), rest_.size());
        const std::size_t last = rest_.find_last_not_of(blanks);
        const std::string_view tail = last == rest_.npos ? std::string_view() : rest_.substr(last + 1);
        if (first == 0 && tail.empty()) return false;
        const std::string_view head = rest_.substr(0, first);
        if (tail == "\n") {
            say("a trailing newline");
        } else if (tail.find('\n') != tail.npos) {
            say(tail.find('\r') == tail.npos ? "trailing newlines" : "a trailing carriage return and newline");
        } else if (tail.find('\r') != tail.npos) {
            say("a trailing carriage return");
        }
        if (!head.empty() || tail.find_first_of(" \t\v\f") != tail.npos) say("white space");
        rest_ = rest_.substr(first, rest_.size() - first - tail.size());
        return true;
    }

    bool unquote() {
        for (const std::string_view quote : quotes) {
            if (rest_.starts_with(quote)) {
                rest_.remove_prefix(quote.size());
            } else if (rest_.ends_with(quote)) {
                rest_.remove_suffix(quote.size());
            } else {
                continue;
            }
            say("quotes");
            return true;
        }
        return false;
    }

    bool unprefix() {
        for (const std::string_view word : {"authorization:", "bearer"}) {
            if (!starts_with_word(rest_, word)) continue;
            const std::string_view after = rest_.substr(word.size());
            const bool whole_word = after.empty() || word.back() == ':' || blanks.find(after[0]) != blanks.npos;
            if (!whole_word) continue;
            rest_ = after;
            say(word == "bearer" ? "the word `Bearer`" : "the header name `Authorization:`");
            return true;
        }
        return false;
    }

    std::string text_;
    std::string_view rest_;
    std::vector<std::string> stripped_;
};

std::string refusal(std::string_view text) {
    if (text.empty()) return "is empty";
    if (text.find_first_of("\r\n") != text.npos) return "has more than one line; a key is one line";
    if (text.find_first_of(" \t") != text.npos) return "has a blank in the middle, so it is not one key";
    // RFC 9110, 5.5: what a field value carries everywhere is visible ASCII.
    const auto odd = std::find_if(text.begin(), text.end(), [](char c) { return c < 0x21 || c > 0x7e; });
    if (odd == text.end()) return {};
    return "has a character that no header can carry, at byte " + std::to_string(odd - text.begin() + 1);
}

}  // namespace

CleanSecret clean_secret(std::string_view raw) {
    CleanSecret result;
    if (raw.starts_with("\xff\xfe") || raw.starts_with("\xfe\xff") || raw.find('\0') != raw.npos) {
        result.refused = "is not plain text (UTF-16, or binary); save it as UTF-8";
        return result;
    }
    Cleaning cleaning(raw);
    result.refused = refusal(cleaning.rest());
    if (result.refused.empty()) result.text = cleaning.rest();
    result.stripped = std::move(cleaning).stripped();
    return result;
}

}  // namespace streamkeeper
