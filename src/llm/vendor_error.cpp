#include "streamkeeper/vendor_error.hpp"

#include <algorithm>
#include <cctype>

#include "http/utf8.hpp"
#include "llm/error_shapes.hpp"
#include "streamkeeper/sse.hpp"

namespace streamkeeper {
namespace {

std::string lower(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

std::string_view trimmed(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

bool success(int status) { return status >= 200 && status < 300; }

/// What the words of a 200's error would have been as a status (errors.md). Order matters: a rate limit that calls
/// itself an invalid request is a rate limit.
int status_of_words(const VendorError& error) {
    struct Word {
        std::string_view word;
        int status;
    };
    static constexpr Word words[] = {
        {"insufficient_quota", 429},
        {"rate_limit", 429},
        {"resource_exhausted", 429},
        {"too_many_requests", 429},
        {"authentication", 401},
        {"api_key", 401},
        {"unauthenticated", 401},
        {"unauthorized", 401},
        {"permission", 403},
        {"not_found", 404},
        {"invalid", 400},
        {"context_length", 400},
        {"validation", 400},
        {"image", 400},
        {"unsupported", 400},
        {"data_residency", 400},
        {"failed_precondition", 400},
        {"overload", 503},
        {"server_busy", 503},
        {"unavailable", 503},
        {"timeout", 504},
        {"deadline_exceeded", 504},
    };
    const std::string text = lower(error.code + " " + error.type + " " + error.error_type + " " + error.gstatus);
    for (const Word& word : words)
        if (text.find(word.word) != text.npos) return word.status;
    return 500;
}

void settle_status(VendorError& error, int body_status) {
    if (!success(error.http_status) || !error.found()) return;  // HTTP outranks the body
    error.eff_status = body_status != 0 ? body_status : status_of_words(error);
}

bool is_page(std::string_view content_type, std::string_view body) {
    if (body.empty()) return false;
    if (lower(content_type).find("html") != std::string::npos) return true;
    const std::string start = lower(body.substr(0, 16));
    return start.starts_with("<!doctype html") || start.starts_with("<html") || start.starts_with("<head") ||
           start.starts_with("<body");
}

std::string title_of(std::string_view page) {
    constexpr std::size_t head = 8192;
    const std::string text = lower(page.substr(0, head));
    const std::size_t open = text.find("<title");
    const std::size_t begin = open == text.npos ? open : text.find('>', open);
    const std::size_t end = begin == text.npos ? begin : text.find("</title", begin);
    if (end == text.npos) return {};
    return std::string(utf8::cut(trimmed(page.substr(begin + 1, end - begin - 1)), max_plain_message));
}

bool is_stream(std::string_view content_type, std::string_view body) {
    const bool json = body.front() == '{' || body.front() == '[';  // whatever its type says
    return (lower(content_type).starts_with("text/event-stream") && !json) || body.starts_with("data:") ||
           body.starts_with("event:") || body.starts_with(':');  // ": OPENROUTER PROCESSING"
}

/// The first event that is an error.
void read_stream(std::string_view body, VendorError& error) {
    const std::string whole = std::string(body) + "\n\n";  // the last event may lack its blank line
    sse::Splitter splitter;
    splitter.feed(whole);
    std::string joined;
    for (std::string_view bytes; !error.found() && splitter.next(bytes);) {
        const sse::Event event = sse::read(bytes, joined);
        const std::string_view data = event.error.empty() ? event.data : event.error;
        const bool certain = event.name == "error" || !event.error.empty();
        const int status = error_shapes::read(error_shapes::parse(data), certain, error);
        if (certain && !error.found()) {
            error.shape = "text";
            error.message = utf8::cut(trimmed(data), max_plain_message);
        }
        settle_status(error, status);
    }
}

}  // namespace

VendorError read_vendor_error(int status, std::string_view content_type, std::string_view body) {
    VendorError error;
    error.http_status = error.eff_status = status;
    body = trimmed(body);
    if (body.empty()) {
        error.shape = "empty";
        return error;
    }
    if (is_stream(content_type, body)) {
        read_stream(body, error);
        return error;
    }
    // JSON that is served as text/html is JSON.
    const boost::json::value parsed = error_shapes::parse(body);
    if (!parsed.is_null()) {
        settle_status(error, error_shapes::read(parsed, !success(status), error));
        if (!error.found() && !success(status)) error.shape = "top_level";  // JSON without a message
        return error;
    }
    error.html = is_page(content_type, body);
    error.shape = error.html ? "html" : "text";
    error.message = error.html ? title_of(body) : std::string(utf8::cut(body, max_plain_message));
    if (success(status)) error.eff_status = error.html ? 502 : 500;
    return error;
}

}  // namespace streamkeeper
