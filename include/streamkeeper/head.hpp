/// Reads the head of an HTTP/1.x message and judges its framing. Strict on purpose: whatever RFC 9112 leaves two
/// readers to understand differently is refused here and never forwarded (request smuggling).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace streamkeeper::http {

/// A view into the bytes of the head; white space around the value is gone.
struct Field {
    std::string_view name, value;
};

/// How the end of a body is known (RFC 9112, 6.3).
struct Framing {
    enum class Kind { none, length, chunked, until_close };
    Kind kind = Kind::none;
    std::uint64_t length = 0;
};

/// What both kinds of head share. Views point into the bytes that were parsed.
struct Fields {
    std::vector<Field> all;
    std::string_view get(std::string_view name) const;  ///< the first one's value, or empty
    bool has(std::string_view name) const;
    /// Whether a comma-separated list field has this token, ignoring case.
    bool lists(std::string_view name, std::string_view token) const;
};

struct RequestHead {
    std::string_view method, target, path, query;  ///< `query` without '?'; `path` as sent
    std::string_view authority;                    ///< Host, or the authority of an absolute-form target
    int minor = 1;                                 ///< HTTP/1.minor
    Fields fields;
    Framing body;
    std::size_t size = 0;  ///< bytes of the head, blank line included
    bool keep_alive = true, expect_continue = false, websocket = false;
};

struct ResponseHead {
    int status = 0;
    std::string_view reason;
    int minor = 1;
    Fields fields;
    Framing body;
    std::size_t size = 0;
    bool keep_alive = true;
};

/// Why a head cannot be taken. `status` is what a client is told; for a response any refusal means 502.
struct Refusal {
    int status = 400;
    std::string_view code;
    std::string message;
};

struct Incomplete {};

/// Most fields a head may have; more is 431.
inline constexpr std::size_t max_fields = 256;

/// `bytes` begins at the head. Refuses as soon as the bytes seen so far are wrong, not only when the head is whole.
std::variant<Incomplete, RequestHead, Refusal> read_request_head(std::string_view bytes, std::size_t limit);

/// `to_head`: the request was HEAD, so no body follows whatever the fields say.
std::variant<Incomplete, ResponseHead, Refusal> read_response_head(std::string_view bytes, std::size_t limit,
                                                                   bool to_head);

/// The bytes of a head were copied from `from` to `to`: its views follow.
void rebase(RequestHead&, std::string_view from, const char* to);
void rebase(ResponseHead&, std::string_view from, const char* to);

/// Asked for every field of every head, and nearly always answered by the lengths.
inline bool equal_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    for (std::size_t i = 0; i < a.size(); ++i)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
}
/// One field line of a trailer section, without its line end.
bool valid_field_line(std::string_view line);

}  // namespace streamkeeper::http
