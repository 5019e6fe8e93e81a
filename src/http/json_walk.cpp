// Reading single values out of a JSON text that `scan` has accepted. On a text that was never validated the answers
// are meaningless, but no byte outside it is ever touched.

#include "http/byte_scan.hpp"
#include "http/json_escape.hpp"
#include "http/utf8.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper::json {
namespace {

const char* skip_space(const char* p, const char* end) {
    while (p != end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) ++p;
    return p;
}

/// `p` stands on the opening quote; the result stands behind the closing one.
const char* skip_string(const char* p, const char* end) {
    const char* first = p + 1;
    for (p = first; p != end;) {
        const char* quote = byte_scan::find(p, end, '"');
        if (quote == end) return end;
        // A quote is part of the string if an odd number of backslashes stands before it.
        const char* run = quote;
        while (run != first && run[-1] == '\\') --run;
        p = quote + 1;
        if ((quote - run) % 2 == 0) return p;
    }
    return end;
}

const char* skip_container(const char* p, const char* end) {
    std::size_t depth = 0;
    while ((p = byte_scan::value_run(p, end)) != end) {
        if (*p == '"') {
            p = skip_string(p, end);
            continue;
        }
        const bool opens = *p == '{' || *p == '[';
        ++p;
        if (opens)
            ++depth;
        else if (depth <= 1)
            return p;
        else
            --depth;
    }
    return end;
}

const char* skip_value(const char* p, const char* end) {
    if (p == end) return end;
    if (*p == '"') return skip_string(p, end);
    if (*p == '{' || *p == '[') return skip_container(p, end);
    while (p != end && *p != ',' && *p != '}' && *p != ']' && *p != ' ' && *p != '\n' && *p != '\r' && *p != '\t') ++p;
    return p;
}

std::string_view between(const char* p, const char* end) { return {p, static_cast<std::size_t>(end - p)}; }

bool same_key(std::string_view quoted, std::string_view name) {
    if (quoted.size() < 2) return false;
    const std::string_view raw = quoted.substr(1, quoted.size() - 2);
    if (raw.size() <= name.size()) return raw == name;  // an escape is longer than what it stands for
    return raw.find('\\') != raw.npos && unquote(quoted) == name;
}

void append_quoted(std::string& out, char c) {
    static constexpr char digits[] = "0123456789abcdef";
    switch (c) {
        case '"': out += "\\\""; return;
        case '\\': out += "\\\\"; return;
        case '\n': out += "\\n"; return;
        case '\r': out += "\\r"; return;
        case '\t': out += "\\t"; return;
        default: break;
    }
    out += "\\u00";
    out.push_back(digits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(digits[c & 15]);
}

}  // namespace

bool key_is(std::string_view text, const Member& member, std::string_view name) {
    const std::string_view key = member.key.in(text);
    if (member.key_escaped) return same_key(key, name);
    return key.size() == name.size() + 2 && key.substr(1, name.size()) == name;
}

bool next_member(MemberCursor& at) {
    const char* p = skip_space(at.rest.data(), at.rest.data() + at.rest.size());
    const char* end = at.rest.data() + at.rest.size();
    if (p != end && (*p == '{' || *p == ',')) p = skip_space(p + 1, end);
    if (p == end || *p != '"') return false;
    const char* key = p;
    p = skip_string(p, end);
    at.key = between(key, p);
    p = skip_space(p, end);
    if (p == end || *p != ':') return false;
    p = skip_space(p + 1, end);
    const char* value = p;
    p = skip_value(p, end);
    at.value = between(value, p);
    at.rest = between(p, end);
    return true;
}

bool MemberCursor::is_escaped(std::string_view name) const { return same_key(key, name); }

std::string_view find(std::string_view value, std::string_view name) {
    const char* end = value.data() + value.size();
    const char* p = skip_space(value.data(), end);
    if (p == end || *p != '{') return {};
    for (MemberCursor at{between(p, end), {}, {}}; next_member(at);)
        if (at.is(name)) return at.value;
    return {};
}

void for_each_element(std::string_view array, void (*visit)(std::string_view element, void* context), void* context) {
    const char* end = array.data() + array.size();
    const char* p = skip_space(array.data(), end);
    if (p == end || *p != '[') return;
    while ((p = skip_space(p + 1, end)) != end && *p != ']') {
        const char* element = p;
        p = skip_value(p, end);
        if (p == element) return;  // not JSON
        visit(between(element, p), context);
        p = skip_space(p, end);
        if (p == end || *p != ',') return;
    }
}

std::string unquote(std::string_view value) {
    if (value.size() < 2 || value.front() != '"') return {};
    return unescape(value.substr(1, value.size() - 2), Halves::replace);
}

std::string quote(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 2);
    out.push_back('"');
    const char* p = text.data();
    const char* end = p + text.size();
    while (p != end) {
        const char* stop = byte_scan::string_run(p, end);
        out.append(p, stop);
        p = stop;
        if (p == end) break;
        if (static_cast<unsigned char>(*p) < 0x80) {
            append_quoted(out, *p++);
            continue;
        }
        const std::size_t bytes = utf8::sequence(p, end);
        if (bytes == 0)
            out += "\xEF\xBF\xBD";  // U+FFFD for each byte that fits nowhere
        else
            out.append(p, bytes);
        p += bytes == 0 ? 1 : bytes;
    }
    out.push_back('"');
    return out;
}

}  // namespace streamkeeper::json
