#include "streamkeeper/head.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace streamkeeper::http {

namespace {

constexpr auto make_token_table() {
    std::array<bool, 256> table{};
    for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
    for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
    for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
    for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'})
        table[static_cast<unsigned char>(c)] = true;
    return table;
}
constexpr std::array<bool, 256> token_table = make_token_table();  // tchar, RFC 9110, 5.6.2

bool token_char(char c) { return token_table[static_cast<unsigned char>(c)]; }
bool is_token(std::string_view text) {
    for (const char c : text)
        if (!token_char(c)) return false;
    return !text.empty();
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// field-vchar, SP, HTAB and obs-text (RFC 9110, 5.5): everything but control bytes.
bool value_char(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

/// Eight bytes at a time: a byte below 0x20, or 0x7f, sets its own highest bit. Tabs and bytes above 0x7f may set one
/// too, so only a clean word is believed.
bool has_control_byte(std::string_view value) {
    constexpr std::uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
    while (value.size() >= 8) {
        std::uint64_t word;
        std::memcpy(&word, value.data(), 8);
        const std::uint64_t below = word - ones * 0x20, deleted = (word ^ ones * 0x7f) - ones;
        if ((below | deleted | word) & highs) break;
        value.remove_prefix(8);
    }
    return !std::all_of(value.begin(), value.end(), value_char);
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

Refusal bad(std::string message) { return {400, "bad_request", std::move(message)}; }

/// The lines of a head, found one at a time; a line must end in CR LF (RFC 9112, 2.2: a bare LF may be taken, but two
/// readers that differ about it see two different messages).
struct Lines {
    std::string_view bytes;
    std::size_t at = 0;
    enum class Found { line, incomplete, bare_lf };
    Found next(std::string_view& line) {
        const std::size_t lf = bytes.find('\n', at);
        if (lf == std::string_view::npos) return Found::incomplete;
        if (lf == at || bytes[lf - 1] != '\r') return Found::bare_lf;
        line = bytes.substr(at, lf - 1 - at);
        at = lf + 1;
        return Found::line;
    }
};

struct FieldsResult {
    bool complete = false;
    std::optional<Refusal> refusal;
};

std::optional<Refusal> read_field(std::string_view line, Fields& fields) {
    if (line.front() == ' ' || line.front() == '\t')
        return bad("a header line begins with white space (obsolete line folding, RFC 9112, 5.2)");
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
        return bad("a header line is not 'name: value' (RFC 9112, 5)");
    if (has_control_byte(line.substr(colon))) return bad("a header value has a control byte (RFC 9110, 5.5)");
    if (fields.all.size() == max_fields)
        return Refusal{431, "header_fields_too_large", "more than " + std::to_string(max_fields) + " header fields"};
    fields.all.push_back({line.substr(0, colon), trim(line.substr(colon + 1))});
    return std::nullopt;
}

FieldsResult read_fields(Lines& lines, Fields& fields) {
    for (std::string_view line;;) {
        switch (lines.next(line)) {
            case Lines::Found::incomplete: return {};
            case Lines::Found::bare_lf: return {false, bad("a header line ends in a bare LF (RFC 9112, 2.2)")};
            case Lines::Found::line: break;
        }
        if (line.empty()) return {true, std::nullopt};
        if (std::optional<Refusal> refusal = read_field(line, fields)) return {false, std::move(refusal)};
    }
}

std::optional<Refusal> too_large(std::size_t size, std::size_t limit) {
    if (size <= limit) return std::nullopt;
    return Refusal{431, "header_fields_too_large",
                   "the head is larger than limits.head (" + std::to_string(limit) + " bytes)"};
}

/// RFC 9112, 6: what all heads share. `framing` stays `none` if neither field is there.
std::optional<Refusal> read_framing(const Fields& fields, int minor, Framing& framing) {
    std::string_view length, coding;
    int lengths = 0, codings = 0;
    for (const Field& field : fields.all) {
        if (equal_ignoring_case(field.name, "content-length")) ++lengths, length = field.value;
        if (equal_ignoring_case(field.name, "transfer-encoding")) ++codings, coding = field.value;
    }
    if (codings > 0) {
        if (lengths > 0) return bad("Content-Length and Transfer-Encoding together (RFC 9112, 6.3)");
        if (minor == 0) return bad("Transfer-Encoding in HTTP/1.0 (RFC 9112, 6.1)");
        if (codings > 1 || !equal_ignoring_case(coding, "chunked"))
            return bad("Transfer-Encoding must be exactly 'chunked'");
        framing.kind = Framing::Kind::chunked;
        return std::nullopt;
    }
    if (lengths == 0) return std::nullopt;
    if (lengths > 1) return bad("more than one Content-Length (RFC 9112, 6.3)");
    if (length.empty() || length.size() > 18 || !std::all_of(length.begin(), length.end(), is_digit))
        return bad("Content-Length is no decimal number");
    for (const char c : length) framing.length = framing.length * 10 + static_cast<std::uint64_t>(c - '0');
    framing.kind = framing.length > 0 ? Framing::Kind::length : Framing::Kind::none;
    return std::nullopt;
}

/// 1.0 or 1.1, or -1.
int version_minor(std::string_view text) {
    if (text == "HTTP/1.1") return 1;
    return text == "HTTP/1.0" ? 0 : -1;
}

std::optional<Refusal> read_request_line(std::string_view line, RequestHead& head) {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last)
        return bad("the request line is not 'METHOD target HTTP/1.1'");
    head.method = line.substr(0, first);
    head.target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (!is_token(head.method)) return bad("the method is no token");
    const auto visible = [](char c) {
        return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7f;
    };
    if (head.target.empty() || !std::all_of(head.target.begin(), head.target.end(), visible))
        return bad("the request target has white space, control or non-ASCII bytes; percent-encode them");
    head.minor = version_minor(version);
    if (head.minor >= 0) return std::nullopt;
    const bool shaped = version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) &&
                        version[6] == '.' && is_digit(version[7]);
    if (shaped) return Refusal{505, "http_version_not_supported", "streamkeeper speaks HTTP/1.1 and 1.0"};
    return bad("the request line does not end in an HTTP version");
}

/// host [":" port] as a Host field may have it (RFC 9110, 7.2): no user, no path, no list.
bool valid_authority(std::string_view text) {
    if (text.empty()) return false;
    std::size_t end = 0;
    if (text.front() == '[') {
        end = text.find(']');
        if (end == std::string_view::npos || end < 3) return false;
        ++end;
    } else {
        const auto host_char = [](char c) {
            return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || std::strchr("-._~%!$&'()*+;=", c);
        };
        while (end < text.size() && text[end] != '\0' && host_char(text[end])) ++end;
        if (end == 0) return false;
    }
    if (end == text.size()) return true;
    const std::string_view port = text.substr(end + 1);
    return text[end] == ':' && port.size() <= 5 && std::all_of(port.begin(), port.end(), is_digit);
}

/// Takes the target apart: origin-form, absolute-form (RFC 9112, 3.2.2) or asterisk-form.
std::optional<Refusal> read_target(RequestHead& head) {
    std::string_view rest = head.target;
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (rest.size() < scheme.size() || !equal_ignoring_case(rest.substr(0, scheme.size()), scheme)) continue;
        rest.remove_prefix(scheme.size());
        const std::size_t end = rest.find_first_of("/?");
        head.authority = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view("/") : rest.substr(end);
        if (!valid_authority(head.authority)) return bad("the target's authority is not host[:port]");
        break;
    }
    if (rest.find('#') != std::string_view::npos) return bad("the request target has a fragment");
    if (head.method == "CONNECT") {
        head.path = rest;  // refused as a method, in its turn
        return std::nullopt;
    }
    if (rest.front() != '/' && !(rest == "*" && head.method == "OPTIONS"))
        return bad("the request target does not begin with '/'");
    const std::size_t question = rest.find('?');
    head.path = rest.substr(0, question);
    head.query = question == std::string_view::npos ? std::string_view() : rest.substr(question + 1);
    return std::nullopt;
}

std::optional<Refusal> read_host(RequestHead& head) {
    int hosts = 0;
    std::string_view host;
    for (const Field& field : head.fields.all)
        if (equal_ignoring_case(field.name, "host")) ++hosts, host = field.value;
    if (hosts != 1)
        return bad(hosts == 0 ? "no Host header (RFC 9112, 3.2)" : "more than one Host header (RFC 9112, 3.2)");
    if (!valid_authority(host)) return bad("the Host header is not host[:port]");
    if (head.authority.empty()) head.authority = host;
    return std::nullopt;
}

std::optional<Refusal> finish_request(RequestHead& head) {
    if (std::optional<Refusal> refusal = read_target(head)) return refusal;
    if (std::optional<Refusal> refusal = read_framing(head.fields, head.minor, head.body)) return refusal;
    if (std::optional<Refusal> refusal = read_host(head)) return refusal;
    const Fields& fields = head.fields;
    head.keep_alive = head.minor == 1 && !fields.lists("connection", "close");
    if (fields.has("expect")) {
        if (!equal_ignoring_case(fields.get("expect"), "100-continue"))
            return Refusal{417, "expectation_failed", "only 'Expect: 100-continue' is understood"};
        head.expect_continue = head.minor == 1;
    }
    head.websocket = head.minor == 1 && head.method == "GET" && fields.lists("connection", "upgrade") &&
                     fields.lists("upgrade", "websocket");
    return std::nullopt;
}

/// A view that does not point into `from` (a default, an empty one) stays as it is.
void move_view(std::string_view& view, std::string_view from, const char* to) {
    if (view.data() < from.data() || view.data() > from.data() + from.size()) return;
    view = {to + (view.data() - from.data()), view.size()};
}

void move_fields(Fields& fields, std::string_view from, const char* to) {
    for (Field& field : fields.all) {
        move_view(field.name, from, to);
        move_view(field.value, from, to);
    }
}

std::optional<Refusal> read_status_line(std::string_view line, ResponseHead& head) {
    if (line.size() < 12) return bad("the status line is too short");
    head.minor = version_minor(line.substr(0, 8));
    const std::string_view digits = line.substr(9, 3);
    if (head.minor < 0 || line[8] != ' ' || !std::all_of(digits.begin(), digits.end(), is_digit) ||
        (line.size() > 12 && line[12] != ' '))
        return bad("the status line is not 'HTTP/1.1 status reason'");
    head.status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    if (head.status < 100 || head.status > 599) return bad("the status is not between 100 and 599");
    head.reason = line.size() > 13 ? line.substr(13) : std::string_view();
    if (!std::all_of(head.reason.begin(), head.reason.end(), value_char))
        return bad("a control byte in the status line");
    return std::nullopt;
}

std::optional<Refusal> finish_response(ResponseHead& head, bool to_head) {
    if (std::optional<Refusal> refusal = read_framing(head.fields, head.minor, head.body)) return refusal;
    head.keep_alive =
        head.minor == 1 ? !head.fields.lists("connection", "close") : head.fields.lists("connection", "keep-alive");
    const bool bodyless = to_head || head.status < 200 || head.status == 204 || head.status == 304;
    if (bodyless) {
        head.body = {};
    } else if (head.body.kind == Framing::Kind::none && !head.fields.has("content-length")) {
        head.body.kind = Framing::Kind::until_close;
        head.keep_alive = false;
    }
    return std::nullopt;
}

}  // namespace

void rebase(RequestHead& head, std::string_view from, const char* to) {
    for (std::string_view* const view : {&head.method, &head.target, &head.path, &head.query, &head.authority})
        move_view(*view, from, to);
    move_fields(head.fields, from, to);
}

void rebase(ResponseHead& head, std::string_view from, const char* to) {
    move_view(head.reason, from, to);
    move_fields(head.fields, from, to);
}

bool valid_field_line(std::string_view line) {
    Fields one;
    return !line.empty() && !read_field(line, one);
}

std::string_view Fields::get(std::string_view name) const {
    for (const Field& field : all)
        if (equal_ignoring_case(field.name, name)) return field.value;
    return {};
}

bool Fields::has(std::string_view name) const {
    return std::any_of(all.begin(), all.end(),
                       [&](const Field& field) { return equal_ignoring_case(field.name, name); });
}

bool Fields::lists(std::string_view name, std::string_view token) const {
    for (const Field& field : all) {
        if (!equal_ignoring_case(field.name, name)) continue;
        std::string_view rest = field.value;
        while (!rest.empty()) {
            const std::size_t comma = rest.find(',');
            if (equal_ignoring_case(trim(rest.substr(0, comma)), token)) return true;
            rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
        }
    }
    return false;
}

std::variant<Incomplete, RequestHead, Refusal> read_request_head(std::string_view bytes, std::size_t limit) {
    RequestHead head;
    Lines lines{bytes};
    // RFC 9112, 2.2: an empty line before the request line is ignored (some clients end a body with one too many).
    while (bytes.substr(lines.at).starts_with("\r\n")) lines.at += 2;
    if (lines.at > 4) return bad("empty lines where a request line was expected");
    if (lines.at < bytes.size() && bytes[lines.at] != '\r' && !token_char(bytes[lines.at]))
        return bad("this is no HTTP request (is a tool configured with https:// for this address?)");
    std::string_view line;
    const Lines::Found found = lines.next(line);
    if (found == Lines::Found::bare_lf) return bad("the request line ends in a bare LF (RFC 9112, 2.2)");
    if (found == Lines::Found::incomplete) {
        if (std::optional<Refusal> refusal = too_large(bytes.size(), limit)) return std::move(*refusal);
        return Incomplete{};
    }
    if (std::optional<Refusal> refusal = read_request_line(line, head)) return std::move(*refusal);
    head.fields.all.reserve(24);
    FieldsResult fields = read_fields(lines, head.fields);
    if (fields.refusal) return std::move(*fields.refusal);
    if (std::optional<Refusal> refusal = too_large(fields.complete ? lines.at : bytes.size(), limit))
        return std::move(*refusal);
    if (!fields.complete) return Incomplete{};
    head.size = lines.at;
    if (std::optional<Refusal> refusal = finish_request(head)) return std::move(*refusal);
    return head;
}

std::variant<Incomplete, ResponseHead, Refusal> read_response_head(std::string_view bytes, std::size_t limit,
                                                                   bool to_head) {
    ResponseHead head;
    Lines lines{bytes};
    std::string_view line;
    const std::string_view magic = "HTTP/1.";
    if (bytes.substr(0, magic.size()) != magic.substr(0, bytes.size())) return bad("this is no HTTP response");
    const Lines::Found found = lines.next(line);
    if (found == Lines::Found::bare_lf) return bad("the status line ends in a bare LF");
    if (found == Lines::Found::incomplete) {
        if (std::optional<Refusal> refusal = too_large(bytes.size(), limit)) return std::move(*refusal);
        return Incomplete{};
    }
    if (std::optional<Refusal> refusal = read_status_line(line, head)) return std::move(*refusal);
    head.fields.all.reserve(24);
    FieldsResult fields = read_fields(lines, head.fields);
    if (fields.refusal) return std::move(*fields.refusal);
    if (std::optional<Refusal> refusal = too_large(fields.complete ? lines.at : bytes.size(), limit))
        return std::move(*refusal);
    if (!fields.complete) return Incomplete{};
    head.size = lines.at;
    if (std::optional<Refusal> refusal = finish_response(head, to_head)) return std::move(*refusal);
    return head;
}

}  // namespace streamkeeper::http
