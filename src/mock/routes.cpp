#include <algorithm>
#include <array>

#include "mock/endpoints.hpp"

namespace streamkeeper::mock {
namespace {

struct Route {
    std::string_view method, path;
    Answer (*answer)(const Request&);
};

constexpr std::array routes{
    Route{"POST", "/chat/completions", chat},
    Route{"POST", "/completions", completions},
    Route{"POST", "/responses", responses},
    Route{"POST", "/messages", messages},
    Route{"POST", "/messages/count_tokens", count_tokens},
    Route{"POST", "/embeddings", embeddings},
    Route{"POST", "/audio/transcriptions", transcriptions},
    Route{"POST", "/audio/speech", speech},
    Route{"GET", "/models", list_models},
};

std::string_view presented_key(const Fields& fields) {
    constexpr std::string_view scheme = "bearer ";
    const std::string_view credentials = field(fields, "authorization");
    // Apertis takes both spellings anywhere and lets Authorization win (vendors.md 1.1).
    if (credentials.empty()) return field(fields, "x-api-key");
    if (credentials.size() <= scheme.size() || !same_name(credentials.substr(0, scheme.size()), scheme)) return {};
    return credentials.substr(scheme.size());
}

/// The path behind `/v1` (or `/v2`, T-Systems' base), or empty.
std::string_view below_version(std::string_view path) {
    if (path.size() < 4 || path[0] != '/' || path[1] != 'v' || path[2] < '1' || path[2] > '9' || path[3] != '/')
        return {};
    return path.substr(3);
}

Answer unknown_endpoint(const Request& request) {
    return refuse(request, 404, "Invalid URL (" + std::string(request.method) + " " + std::string(request.path) + ")");
}

Answer wrong_method(const Request& request, std::string_view allowed) {
    Answer answer =
        refuse(request, 405, std::string(request.method) + " is not supported here", "method_not_supported");
    answer.fields = "Allow: " + std::string(allowed) + "\r\n";
    return answer;
}

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

Answer route(const Request& request, World& world, std::string_view path) {
    constexpr std::string_view models = "/models/", files = "/files/";
    const bool reads = request.method == "GET" || request.method == "HEAD";
    const std::string_view method = reads ? "GET" : request.method;
    for (const Route& known : routes) {
        if (known.path != path) continue;
        return known.method == method ? known.answer(request) : wrong_method(request, known.method);
    }
    if (path == "/files") {
        if (method == "POST") return upload_file(request, world);
        return reads ? list_files(request, world) : wrong_method(request, "GET, POST");
    }
    if (reads && starts_with(path, models)) return show_model(request, path.substr(models.size()));
    if (reads && starts_with(path, files)) return show_file(request, world, path.substr(files.size()));
    return unknown_endpoint(request);
}

}  // namespace

Answer answer(const Request& request, World& world) {
    if (request.path == "/api/models" && request.method == "GET") return list_public_models(request);
    const std::string_view key = presented_key(request.fields);
    if (!world.key.empty() && key.empty())
        return refuse(request, 401, "You did not provide an API key.", "missing_api_key");
    if (!world.key.empty() && key != world.key) return refuse(request, 401, "Incorrect API key provided.");
    if (!request.knob_mistake.empty()) return refuse(request, 400, request.knob_mistake);
    if (const unsigned status = request.knobs.status; status == 204 || status == 304) {
        Answer empty;
        empty.status = status;
        return empty;
    }
    if (request.knobs.status != 0) return refuse(request, request.knobs.status, "The mock was asked to fail.");
    const std::string_view path = below_version(request.path);
    return path.empty() ? unknown_endpoint(request) : route(request, world, path);
}

}  // namespace streamkeeper::mock
