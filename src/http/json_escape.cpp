#include "http/json_escape.hpp"

#include <cstring>

namespace streamkeeper::json {
namespace {

void append_utf8(std::string& out, unsigned code) {
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

/// `p` stands behind `\u`; appends the character and returns where the text goes on.
const char* append_unicode(const char* p, const char* end, std::string& out, Halves halves) {
    if (end - p < 4) return end;
    unsigned code = hex4(p);
    p += 4;
    if (code >= 0xD800 && code <= 0xDBFF && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        const unsigned low = hex4(p + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            p += 6;
        }
    }
    const bool half = code >= 0xD800 && code <= 0xDFFF;
    append_utf8(out, half && halves == Halves::replace ? 0xFFFD : code);
    return p;
}

}  // namespace

unsigned hex4(const char* digits) {
    int value = 0;
    for (int i = 0; i < 4; ++i) {
        const int c = static_cast<unsigned char>(digits[i]);
        value = value * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return static_cast<unsigned>(value) & 0xFFFF;
}

char unescaped(char letter) {
    switch (letter) {
        case 'b': return '\b';
        case 'f': return '\f';
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        default: return letter;
    }
}

std::string unescape(std::string_view inside, Halves halves) {
    std::string out;
    const char* p = inside.data();
    const char* const end = p + inside.size();
    while (p != end) {
        const auto* slash = static_cast<const char*>(std::memchr(p, '\\', static_cast<std::size_t>(end - p)));
        const char* stop = slash == nullptr ? end : slash;
        out.append(p, stop);
        if (stop == end || stop + 1 == end) break;
        p = stop + 2;
        if (stop[1] == 'u')
            p = append_unicode(p, end, out, halves);
        else
            out.push_back(unescaped(stop[1]));
    }
    return out;
}

}  // namespace streamkeeper::json
