#include "mock/record.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <system_error>

#include "mock/keys.hpp"
#include "mock/testimony.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::size_t kept_body = 64 * 1024;

std::string lower(std::string_view name) {
    std::string out(name);
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
    return out;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }

/// At most `kept_body` bytes, not ending inside a UTF-8 character because of the cut.
std::string_view shorten(std::string_view body) {
    if (body.size() <= kept_body) return body;
    std::size_t end = kept_body;
    for (int back = 0; back < 3 && is_continuation(body[end]); ++back) --end;
    return body.substr(0, end);
}

/// Whether a JSON parser takes the bytes as the inside of a string, control characters aside: that is UTF-8.
bool is_utf8(std::string_view bytes) {
    boost::system::error_code error;
    json::parse(json::serialize(bytes), error);
    return !error;
}

std::string from_latin1(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            out += c;
        } else {
            out += static_cast<char>(0xc0U | byte >> 6);
            out += static_cast<char>(0x80U | (byte & 0x3fU));
        }
    }
    return out;
}

/// Text that is valid in a JSON document whatever the bytes were.
std::string text_of(std::string_view bytes) { return is_utf8(bytes) ? std::string(bytes) : from_latin1(bytes); }

}  // namespace

Recorder::Recorder(const std::string& file, bool with_tokens) : with_tokens_(with_tokens) {
    if (file.empty()) return;
    out_.open(file, std::ios::app);
    if (!out_) throw std::system_error(errno, std::generic_category(), "cannot write " + file);
}

void Recorder::write(const Request& request, const Answer& answer) {
    if (!out_.is_open()) return;
    json::object headers;
    for (const auto& [name, value] : request.fields) {
        json::value& known = headers[lower(name)];
        const std::string text = text_of(value);
        known = known.is_string() ? std::string(known.get_string()) + ", " + text : text;
    }
    const std::string_view body = shorten(request.body);
    json::object line{{"sequence", request.sequence},
                      {"method", request.method},
                      {"target", text_of(request.target)},
                      {"headers", std::move(headers)},
                      {"body_bytes", request.body_bytes},
                      {"body", text_of(body)},
                      {"body_encoding", is_utf8(body) ? "utf-8" : "latin-1"},
                      {"at_ms", static_cast<double>(request.at.count()) / 1000},
                      {"key", nullptr},
                      {"status", nullptr},
                      {"fault", nullptr}};
    if (request.key) line["key"] = request.key->rule.name;
    if (!answer.is_silent()) line["status"] = answer.status;
    if (answer.fault) line["fault"] = answer.fault->text;
    add_testimony(line, answer.testimony.get());
    out_ << json::serialize(line) << '\n' << std::flush;
}

void Recorder::write_end(const Testimony& testimony) {
    if (!out_.is_open() || !with_tokens_) return;
    json::object line{{"end_of", testimony.sequence}};
    for (auto& [key, value] : testimony.state()) line[key] = value;
    line.erase("sequence");
    out_ << json::serialize(line) << '\n' << std::flush;
}

}  // namespace streamkeeper::mock
