#include "http/target.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace streamkeeper::http {

namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char l = static_cast<char>(c | 0x20);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/// One round of percent-decoding; nothing if a '%' is not followed by two hex digits.
std::optional<std::string> decode(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            result.push_back(text[i]);
            continue;
        }
        if (i + 2 >= text.size() || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0) return std::nullopt;
        result.push_back(static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])));
        i += 2;
    }
    return result;
}

std::vector<std::string_view> segments(std::string_view path) {
    std::vector<std::string_view> result;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        if (slash != 0) result.push_back(path.substr(0, slash));
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    }
    return result;
}

/// `/v1/…` as nearly every tool sends it, with nothing to forgive.
bool plain_v1(std::string_view path) {
    return path.starts_with("/v1/") && path.size() > 4 && path.back() != '/' &&
           path.find("//") == std::string_view::npos && !path.starts_with("/v1/v1") && !path.starts_with("/v1/api/");
}

Refusal bad_path(std::string message) { return {400, "bad_path", std::move(message)}; }

/// First segments under which vendors offer something. Without `/v1` only these are taken for an API path, so that a
/// stray /favicon.ico or /robots.txt does not carry the key to a vendor.
constexpr std::array<std::string_view, 34> roots = {
    "chat",        "completions",   "responses",   "messages",      "embeddings", "models",  "audio",
    "images",      "files",         "moderations", "rerank",        "uploads",    "batches", "realtime",
    "fine_tuning", "vector_stores", "assistants",  "threads",       "video",      "videos",  "api",
    "queue",       "containers",    "evals",       "conversations", "search",     "usage",   "tokenize",
    "generation",  "credits",       "key",         "organization",  "complete",   "score"};

}  // namespace

std::optional<Refusal> judge_path(std::string_view path) {
    // The request line had no control bytes; without these three there is nothing to find.
    if (path.find_first_of("%\\;") == std::string_view::npos && path.find("/.") == std::string_view::npos)
        return std::nullopt;
    const std::optional<std::string> decoded = decode(path);
    if (!decoded) return bad_path("the path has a '%' without two hex digits behind it");
    if (decoded->find('\\') != std::string::npos) return bad_path("the path has a backslash");
    const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (std::any_of(decoded->begin(), decoded->end(), control)) return bad_path("the path has a control byte");
    for (std::string_view segment : segments(*decoded)) {
        segment = segment.substr(0, segment.find(';'));  // `..;` is `..` to some servers
        if (segment == "." || segment == "..") return bad_path("the path has dot segments");
    }
    return std::nullopt;
}

std::optional<ApiPath> api_path(std::string_view path) {
    if (plain_v1(path)) return ApiPath{{}, std::string(path.substr(3))};
    std::vector<std::string_view> parts = segments(path);
    ApiPath result;
    std::size_t at = 0;
    if (parts.size() >= 2 && parts[0] == "u") {
        result.upstream = decode(parts[1]).value_or("");
        at = 2;
    }
    if (at + 1 < parts.size() && parts[at] == "openai" && parts[at + 1] == "v1") ++at;
    const std::size_t before = at;
    while (at < parts.size() && parts[at] == "v1") ++at;
    const bool versioned = at > before || !result.upstream.empty();
    if (at == parts.size()) return std::nullopt;
    if (!versioned && std::find(roots.begin(), roots.end(), parts[at]) == roots.end()) return std::nullopt;
    if (!versioned && parts[at] == "api" && !(parts.size() == at + 2 && parts[at + 1] == "models")) return std::nullopt;
    if (parts.size() == at + 2 && parts[at] == "api" && parts[at + 1] == "models") ++at;
    for (; at < parts.size(); ++at) result.suffix.append("/").append(parts[at]);
    return result;
}

Endpoint endpoint_of(std::string_view suffix) {
    if (suffix == "/chat/completions") return Endpoint::chat_completions;
    if (suffix == "/completions") return Endpoint::completions;
    if (suffix == "/responses") return Endpoint::responses;
    if (suffix == "/messages") return Endpoint::messages;
    if (suffix == "/embeddings") return Endpoint::embeddings;
    return suffix == "/models" ? Endpoint::models : Endpoint::other;
}

std::string query_without_credentials(std::string_view query) {
    std::string result;
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view part = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
        std::string name = decode(part.substr(0, part.find('='))).value_or("");
        std::transform(name.begin(), name.end(), name.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        if (part.empty() || name == "key" || name == "api_key" || name == "api-key") continue;
        result.append(result.empty() ? "?" : "&").append(part);
    }
    return result;
}

}  // namespace streamkeeper::http
