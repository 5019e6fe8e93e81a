// The validator: the grammar of RFC 8259, and UTF-8. It differs from Boost.JSON's parser, which the tests hold it
// against, in the depth (512 instead of 32) and in two things that the grammar allows and Boost.JSON does not: half a
// surrogate pair spelt as an escape, which JavaScript tools send when they cut an emoji in two, and exponents beyond 31
// bits.

#include "streamkeeper/json_scan.hpp"

#include <array>
#include <cstdint>

#include "http/byte_scan.hpp"
#include "http/utf8.hpp"

namespace streamkeeper::json {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex(char c) {
    if (is_digit(c)) return c - '0';
    c = static_cast<char>(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/// The four hexadecimal digits at `p`, or -1.
int hex4(const char* p, const char* end) {
    if (end - p < 4) return -1;
    int value = 0;
    for (int i = 0; i < 4; ++i) {
        const int digit = hex(p[i]);
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/// One pass. Every method moves `p_`; those that return false have set the mistake.
class Scanner {
public:
    Scanner(std::string_view text, std::vector<Member>* members)
        : begin_(text.data()), p_(begin_), end_(begin_ + text.size()), members_(members) {}

    /// `p` is behind the opening quote of a string.
    static const char* inside_end(const char* p, const char* end) {
        Scanner scanner({p, static_cast<std::size_t>(end - p)}, nullptr);
        --scanner.p_;  // it is moved over the quote, which is not looked at
        return scanner.string() ? scanner.p_ - 1 : nullptr;
    }

    std::optional<Mistake> run() {
        if (document()) return std::nullopt;
        return mistake_;
    }

private:
    enum class Expect { value, value_or_end, name, name_or_end, separator };

    bool document();
    bool value(Expect&);
    bool name(Expect&);
    bool separator(Expect&);
    bool container(Kind, Expect&);
    bool close(Expect&);
    bool string();
    bool escape();
    bool wide();
    bool number();
    bool exponent();
    bool literal(std::string_view);

    void skip_space() {
        while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
    }
    std::size_t offset() const { return static_cast<std::size_t>(p_ - begin_); }
    bool fail(const char* what) {
        mistake_ = {offset(), p_ == end_ ? "unexpected end of the text" : what};
        return false;
    }
    bool in_object() const { return object_[depth_ - 1] != 0; }
    bool wants_member() const { return members_ != nullptr && depth_ == 1 && in_object(); }

    const char* begin_;
    const char* p_;
    const char* end_;
    std::vector<Member>* members_;
    std::array<unsigned char, max_depth> object_;  ///< per open container: 1 object, 0 array; set when opened
    std::size_t depth_ = 0;
    bool escaped_ = false;  ///< the string read last has a backslash
    Mistake mistake_;
};

bool Scanner::document() {
    skip_space();
    if (end_ - p_ >= 3 && std::string_view(p_, 3) == "\xEF\xBB\xBF") return fail("a byte order mark is not JSON");
    Expect expect = Expect::value;
    if (!value(expect)) return false;
    while (depth_ > 0) {
        skip_space();
        bool good = false;
        switch (expect) {
            case Expect::separator: good = separator(expect); break;
            case Expect::name:
            case Expect::name_or_end: good = name(expect); break;
            case Expect::value:
            case Expect::value_or_end: good = value(expect); break;
        }
        if (!good) return false;
    }
    skip_space();
    return p_ == end_ || fail("text after the value");
}

bool Scanner::value(Expect& expect) {
    if (p_ == end_) return fail("");
    if (*p_ == ']' && expect == Expect::value_or_end) return close(expect);
    const bool member = depth_ > 0 && wants_member();
    const char* start = p_;
    Kind kind = Kind::number;
    bool good = false;
    switch (*p_) {
        case '"': kind = Kind::string, good = string(); break;
        case '{': return container(Kind::object, expect);
        case '[': return container(Kind::array, expect);
        case 't': kind = Kind::boolean, good = literal("true"); break;
        case 'f': kind = Kind::boolean, good = literal("false"); break;
        case 'n': kind = Kind::null, good = literal("null"); break;
        case ']':
            if (depth_ > 0 && !in_object()) return fail("trailing comma");
            [[fallthrough]];
        default: good = number();
    }
    if (!good) return false;
    if (member) {
        members_->back().kind = kind;
        members_->back().value = {static_cast<std::size_t>(start - begin_), offset()};
    }
    expect = Expect::separator;
    return true;
}

bool Scanner::container(Kind kind, Expect& expect) {
    if (depth_ == max_depth) return fail("nested too deeply");
    if (depth_ > 0 && wants_member()) {
        members_->back().kind = kind;
        members_->back().value.begin = offset();
    }
    object_[depth_++] = kind == Kind::object;
    ++p_;
    expect = kind == Kind::object ? Expect::name_or_end : Expect::value_or_end;
    return true;
}

bool Scanner::close(Expect& expect) {
    ++p_;
    --depth_;
    if (depth_ > 0 && wants_member()) members_->back().value.end = offset();
    expect = Expect::separator;
    return true;
}

bool Scanner::separator(Expect& expect) {
    if (p_ == end_) return fail("");
    const bool object = in_object();
    if (*p_ == ',') {
        ++p_;
        expect = object ? Expect::name : Expect::value;
        return true;
    }
    if (*p_ == (object ? '}' : ']')) return close(expect);
    return fail(object ? "expected ',' or '}'" : "expected ',' or ']'");
}

bool Scanner::name(Expect& expect) {
    if (p_ == end_) return fail("");
    if (*p_ == '}') return expect == Expect::name_or_end ? close(expect) : fail("trailing comma");
    if (*p_ != '"') return fail("expected a member name in double quotes");
    const std::size_t start = offset();
    if (!string()) return false;
    if (wants_member()) members_->push_back({{start, offset()}, {}, Kind::null, escaped_});
    skip_space();
    if (p_ == end_ || *p_ != ':') return fail("expected ':'");
    ++p_;
    expect = Expect::value;
    return true;
}

bool Scanner::string() {
    ++p_;
    escaped_ = false;
    for (;;) {
        p_ = byte_scan::string_run(p_, end_);
        if (p_ == end_) return fail("");
        const auto c = static_cast<unsigned char>(*p_);
        if (c == '"') {
            ++p_;
            return true;
        }
        if (c < 0x20) return fail("a control character in a string must be escaped");
        if (c == '\\' ? !escape() : !wide()) return false;
    }
}

bool Scanner::wide() {
    // Non-ASCII text comes in runs: stay here until the run ends.
    do {
        const std::size_t bytes = utf8::sequence(p_, end_);
        if (bytes == 0) return fail("invalid UTF-8");
        p_ += bytes;
    } while (p_ != end_ && static_cast<unsigned char>(*p_) >= 0x80);
    return true;
}

bool Scanner::escape() {
    escaped_ = true;
    if (++p_ == end_) return fail("");
    switch (*p_) {
        case '"':
        case '\\':
        case '/':
        case 'b':
        case 'f':
        case 'n':
        case 'r':
        case 't': ++p_; return true;
        case 'u': break;
        default: return fail("unknown escape in a string");
    }
    const int unit = hex4(++p_, end_);
    if (unit < 0) return fail("expected four hexadecimal digits");
    p_ += 4;
    return true;
}

bool Scanner::number() {
    const bool negative = *p_ == '-';
    p_ += negative;
    if (p_ == end_ || !is_digit(*p_)) return fail(negative ? "expected a digit" : "expected a value");
    if (*p_ == '0') {
        ++p_;
        if (p_ != end_ && is_digit(*p_)) return fail("a number must not begin with 0");
    }
    while (p_ != end_ && is_digit(*p_)) ++p_;
    if (p_ != end_ && *p_ == '.') {
        ++p_;
        if (p_ == end_ || !is_digit(*p_)) return fail("expected a digit");
        while (p_ != end_ && is_digit(*p_)) ++p_;
    }
    return p_ == end_ || (*p_ | 0x20) != 'e' || exponent();
}

bool Scanner::exponent() {
    ++p_;
    if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
    if (p_ == end_ || !is_digit(*p_)) return fail("expected a digit");
    while (p_ != end_ && is_digit(*p_)) ++p_;
    return true;
}

bool Scanner::literal(std::string_view word) {
    for (const char c : word) {
        if (p_ == end_ || *p_ != c) return fail("expected a value");
        ++p_;
    }
    return true;
}

}  // namespace

std::optional<Mistake> scan(std::string_view text, std::vector<Member>* members) {
    return Scanner(text, members).run();
}

const char* inside_end(const char* p, const char* end) {
    const char* const stop = byte_scan::string_run(p, end);
    if (stop != end && *stop == '"') return stop;
    return Scanner::inside_end(p, end);
}

Position position_of(std::string_view text, std::size_t offset) {
    Position at;
    offset = offset < text.size() ? offset : text.size();
    for (const char c : text.substr(0, offset)) {
        ++at.column;
        if (c == '\n') at = {at.line + 1, 1};
    }
    return at;
}

}  // namespace streamkeeper::json
