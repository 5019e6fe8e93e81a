#include "cli/raw_response.hpp"

#include <algorithm>
#include <optional>

namespace streamkeeper {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\r";
    const std::size_t first = text.find_first_not_of(blank);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

struct Lines {
    std::string_view rest;
    std::size_t number = 0;
    std::optional<std::string_view> next() {
        if (rest.empty()) return std::nullopt;
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        ++number;
        return trimmed(line);
    }
};

/// `HTTP/1.1 429 Too Many Requests`, `HTTP/2 429`; -1 if it is none.
int status_in(std::string_view line) {
    constexpr std::string_view magic = "HTTP/";
    if (!http::equal_ignoring_case(line.substr(0, magic.size()), magic)) return -1;
    std::string_view rest = line.substr(magic.size());
    const std::size_t blank = rest.find(' ');
    const std::string_view version = rest.substr(0, blank);
    const bool short_form = version.size() == 1 && is_digit(version[0]);
    const bool long_form = version.size() == 3 && is_digit(version[0]) && version[1] == '.' && is_digit(version[2]);
    if (blank == rest.npos || (!short_form && !long_form)) return -1;
    rest = trimmed(rest.substr(blank));
    const std::size_t digits =
        static_cast<std::size_t>(std::find_if_not(rest.begin(), rest.end(), is_digit) - rest.begin());
    if (digits != 3 || (rest.size() > 3 && rest[3] != ' ')) return -1;
    return (rest[0] - '0') * 100 + (rest[1] - '0') * 10 + (rest[2] - '0');
}

bool token(std::string_view text) {
    constexpr std::string_view marks = "!#$%&'*+-.^_`|~";  // RFC 9110, 5.6.2
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || marks.find(c) != marks.npos;
    });
}

std::string shown(std::string_view line) {
    std::string text(line.substr(0, 60));
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
    return "'" + text + (line.size() > 60 ? "…'" : "'");
}

constexpr std::string_view expected =
    "paste what `curl -i` prints: a status line such as 'HTTP/1.1 429 Too Many Requests', header lines, a blank line, "
    "the body";

/// A body that follows the status line or the headers without a blank line; no header begins so.
bool begins_body(std::string_view line) { return line.front() == '{' || line.front() == '[' || line.front() == '<'; }

std::optional<RawMistake> read_fields(Lines& lines, RawResponse& response) {
    for (;;) {
        const std::string_view before = lines.rest;
        const std::optional<std::string_view> line = lines.next();
        if (!line || line->empty()) return std::nullopt;
        if (begins_body(*line)) {
            lines.rest = before;
            return std::nullopt;
        }
        const std::size_t colon = line->find(':');
        if (colon == line->npos || !token(line->substr(0, colon)))
            return RawMistake{lines.number,
                              shown(*line) + " is neither 'name: value' nor the blank line before the body"};
        response.fields.all.push_back({line->substr(0, colon), trimmed(line->substr(colon + 1))});
    }
}

bool begins_with_status_line(std::string_view text) {
    Lines lines{text};
    std::optional<std::string_view> line = lines.next();
    while (line && line->empty()) line = lines.next();
    return line && status_in(*line) > 0;
}

}  // namespace

std::variant<RawResponse, RawMistake> read_raw_response(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    Lines lines{text};
    for (;;) {
        std::optional<std::string_view> line = lines.next();
        while (line && line->empty()) line = lines.next();
        if (!line) return RawMistake{lines.number + 1, "there is no HTTP response here; " + std::string(expected)};
        RawResponse response;
        response.status = status_in(*line);
        if (response.status < 0)
            return RawMistake{lines.number, shown(*line) + " is no HTTP status line; " + std::string(expected)};
        if (response.status < 100 || response.status > 599)
            return RawMistake{lines.number, "the status must be between 100 and 599 (RFC 9110, 15)"};
        if (std::optional<RawMistake> mistake = read_fields(lines, response)) return std::move(*mistake);
        const bool of_a_proxy = response.status < 300 && begins_with_status_line(lines.rest);
        response.body = lines.rest;
        if (response.status >= 200 && !of_a_proxy) return response;
    }
}

}  // namespace streamkeeper
