#include "streamkeeper/error_body.hpp"

#include <algorithm>

#include "http/utf8.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {
namespace {

/// Writes one JSON object, member by member; what is empty is left out by the caller's choice of method.
class Writer {
public:
    void raw(std::string_view name, std::string_view json) {
        text_.append(text_.empty() ? "{" : ",").append(json::quote(name)).append(":").append(json);
    }
    void text(std::string_view name, std::string_view value) { raw(name, json::quote(value)); }
    void filled(std::string_view name, std::string_view value) {
        if (!value.empty()) text(name, value);
    }
    void number(std::string_view name, long value) { raw(name, std::to_string(value)); }
    bool empty() const { return text_.empty(); }
    std::string done() const { return (text_.empty() ? "{" : text_) + "}"; }

private:
    std::string text_;
};

std::string attempt_json(const AttemptNote& attempt) {
    Writer note;
    note.filled("upstream", attempt.upstream);
    note.filled("key", attempt.key);
    if (attempt.status != 0) note.number("status", attempt.status);
    note.filled("cause", attempt.cause);
    note.number("ms", attempt.ms);
    return note.done();
}

std::string own_part(const ApiError& error) {
    Writer own;
    own.filled("request_id", error.request_id);
    own.filled("upstream", error.upstream);
    own.filled("model", error.model);
    own.filled("reason", error.reason);
    std::string attempts;
    for (const AttemptNote& attempt : error.attempts)
        attempts.append(attempts.empty() ? "[" : ",").append(attempt_json(attempt));
    if (!attempts.empty()) own.raw("attempts", attempts + "]");
    own.filled("hint", error.hint);
    own.filled("vendor_body", error.vendor_body);
    return own.empty() ? std::string() : own.done();
}

/// Anthropic's vocabulary (docs.anthropic.com, "Errors"), which its SDKs and Claude Code look at beside the status.
std::string_view anthropic_type(int status) {
    switch (status) {
        case 400: return "invalid_request_error";
        case 401: return "authentication_error";
        case 402: return "billing_error";
        case 403: return "permission_error";
        case 404: return "not_found_error";
        case 413: return "request_too_large";
        case 429: return "rate_limit_error";
        case 503:
        case 529: return "overloaded_error";
        case 504: return "timeout_error";
        default: return "api_error";
    }
}

std::string openai_body(const ApiError& error) {
    const std::string own = own_part(error);
    Writer inner;
    inner.text("message", error.message);
    inner.text("type", error.type.empty() ? "api_error" : error.type);
    inner.raw("code", error.code.empty() ? "null" : json::quote(error.code));
    inner.raw("param", error.param ? json::quote(*error.param) : "null");
    if (!own.empty()) inner.raw("streamkeeper", own);
    Writer body;
    body.raw("error", inner.done());
    return body.done();
}

std::string anthropic_body(const ApiError& error) {
    const std::string own = own_part(error);
    Writer inner;
    inner.text("type", anthropic_type(error.status));
    inner.text("message", error.message);
    inner.filled("code", error.code);
    if (error.param) inner.text("param", *error.param);
    Writer body;
    body.text("type", "error");
    body.raw("error", inner.done());
    body.filled("request_id", error.request_id);
    if (!own.empty()) body.raw("streamkeeper", own);
    return body.done();
}

}  // namespace

std::string render_error(Endpoint endpoint, const ApiError& error, const std::vector<std::string_view>& secrets) {
    ApiError shown = error;
    for (std::string* text : {&shown.message, &shown.type, &shown.code, &shown.vendor_body})
        *text = mask_secrets(*text, secrets);
    if (shown.param) *shown.param = mask_secrets(*shown.param, secrets);
    shown.vendor_body = utf8::cut(shown.vendor_body, max_vendor_body);
    return endpoint == Endpoint::messages ? anthropic_body(shown) : openai_body(shown);
}

std::string mask_secrets(std::string text, const std::vector<std::string_view>& secrets) {
    std::string masked = text;
    for (const std::string_view secret : secrets) {
        if (secret.empty()) continue;
        // Searched in the original, so that a secret which contains another one is still recognised.
        for (std::size_t at = text.find(secret); at != text.npos; at = text.find(secret, at + 1))
            std::fill_n(masked.begin() + static_cast<std::ptrdiff_t>(at), secret.size(), '*');
    }
    return masked;
}

}  // namespace streamkeeper
