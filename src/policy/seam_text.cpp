// Text at a seam: decoded from the events, and what of its end can't be trusted to come back.
#include <algorithm>

#include "policy/characters.hpp"
#include "streamkeeper/continuation.hpp"

namespace streamkeeper {

namespace {

unsigned hex4(std::string_view digits) {
    unsigned value = 0;
    for (const char c : digits.substr(0, 4))
        value = value * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    return value;
}

bool is_high(unsigned unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_low(unsigned unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

void append(std::string& out, unsigned code) {
    const auto add = [&out](unsigned byte) { out.push_back(static_cast<char>(byte)); };
    if (code < 0x80) return add(code);
    if (code < 0x800) {
        add(0xC0 | code >> 6);
    } else if (code < 0x10000) {
        add(0xE0 | code >> 12);
        add(0x80 | (code >> 6 & 0x3F));
    } else {
        add(0xF0 | code >> 18);
        add(0x80 | (code >> 12 & 0x3F));
        add(0x80 | (code >> 6 & 0x3F));
    }
    add(0x80 | (code & 0x3F));
}

char unescaped(char c) {
    switch (c) {
        case 'b': return '\b';
        case 'f': return '\f';
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        default: return c;
    }
}

/// `rest` stands behind `\u`; what is left is returned.
std::string_view append_unicode(std::string& out, std::string_view rest) {
    if (rest.size() < 4) return {};
    unsigned code = hex4(rest);
    rest.remove_prefix(4);
    if (is_high(code) && rest.size() >= 6 && rest.starts_with("\\u") && is_low(hex4(rest.substr(2)))) {
        code = 0x10000 + ((code - 0xD800) << 10) + (hex4(rest.substr(2)) - 0xDC00);
        rest.remove_prefix(6);
    }
    append(out, code);
    return rest;
}

}  // namespace

std::string decoded(std::string_view inside) {
    std::string out;
    out.reserve(inside.size());
    while (!inside.empty()) {
        const std::size_t plain = std::min(inside.find('\\'), inside.size());
        out.append(inside.substr(0, plain));
        inside.remove_prefix(plain);
        if (inside.size() < 2) break;
        const char escape = inside[1];
        inside.remove_prefix(2);
        if (escape == 'u')
            inside = append_unicode(out, inside);
        else
            out.push_back(unescaped(escape));
    }
    return out;
}

bool unrepeatable(std::string_view shown_text) {
    if (shown_text.ends_with("\xEF\xBF\xBD")) return true;
    for (std::size_t at = 0; (at = shown_text.find('\xED', at)) != shown_text.npos; ++at)
        if (at + 1 < shown_text.size() && static_cast<unsigned char>(shown_text[at + 1]) >= 0xA0) return true;
    return false;
}

std::size_t trailing_space(std::string_view text) {
    const std::size_t size = text.size();
    for (;;) {
        const characters::Character end = characters::last(text);
        if (end.bytes == 0 || !characters::is_trimmed(end.code)) return size - text.size();
        text.remove_suffix(end.bytes);
    }
}

}  // namespace streamkeeper
