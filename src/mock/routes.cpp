#include <algorithm>
#include <array>

#include "mock/door.hpp"
#include "mock/endpoints.hpp"
#include "mock/reply.hpp"
#include "mock/rewriting.hpp"
#include "mock/testimony.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

constexpr std::size_t most_testimonies = 64;

struct Route {
    std::string_view method, path;
    Answer (*answer)(const Request&);
    bool takes_document = false;
};

constexpr std::array routes{
    Route{"POST", "/chat/completions", chat, true}, Route{"POST", "/completions", completions, true},
    Route{"POST", "/responses", nullptr, true},  // stores what it answers
    Route{"POST", "/messages", messages, true},     Route{"POST", "/messages/count_tokens", count_tokens, true},
    Route{"POST", "/embeddings", embeddings, true}, Route{"POST", "/audio/transcriptions", transcriptions},
    Route{"POST", "/audio/speech", speech, true},   Route{"GET", "/models", list_models},
};

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

const Route* route_to(std::string_view path) {
    const auto* it = std::find_if(routes.begin(), routes.end(), [&](const Route& known) { return known.path == path; });
    return it == routes.end() ? nullptr : it;
}

/// Where a request leads: one of the table's routes or another path.
struct Way {
    std::string_view path;  ///< below the version; empty: elsewhere
    const Route* route = nullptr;
};

Answer follow(const Request& request, World& world, const Way& way) {
    constexpr std::string_view models = "/models/", files = "/files/";
    const std::string_view path = way.path;
    const bool reads = request.method == "GET" || request.method == "HEAD";
    const std::string_view method = reads ? "GET" : request.method;
    if (way.route && way.route->method != method) return wrong_method(request, way.route->method);
    if (way.route) return way.route->answer ? way.route->answer(request) : responses(request, world);
    if (!response_id(path).empty() && method == (path.ends_with("/cancel") ? "POST" : "GET"))
        return show_response(request, world.responses, path);
    if (path == "/files") {
        if (method == "POST") return upload_file(request, world);
        return reads ? list_files(request, world) : wrong_method(request, "GET, POST");
    }
    if (reads && starts_with(path, models)) return show_model(request, path.substr(models.size()));
    if (reads && starts_with(path, files)) return show_file(request, world, path.substr(files.size()));
    return unknown_endpoint(request);
}

Named named(const World& world, std::string_view asked) {
    const std::string_view name = world.models.without_fault(asked);
    return {asked, name, world.models.find(name)};
}

Named model_of(const Request& request, const World& world, const Way& way) {
    if (const Document* document = request.document)
        return {document->asked_model(), document->model(), document->known_model()};
    const StoredResponse* const stored = world.responses.find(response_id(way.path), request.at);
    if (stored) return named(world, stored->model);
    const Part* const part = request.form ? request.form->find("model") : nullptr;
    return part ? named(world, part->value) : Named();
}

Answer healthy(const Request& request, World& world, const Way& way) {
    if (const unsigned status = request.knobs.status; status == 204 || status == 304) {
        Answer empty;
        empty.status = status;
        return empty;
    }
    if (request.knobs.status != 0) return refuse(request, request.knobs.status, "The mock was asked to fail.");
    return way.path.empty() ? unknown_endpoint(request) : follow(request, world, way);
}

Answer decide(Request& request, World& world, Document* document, const Way& way, const Named& model) {
    const auto served = [&] {
        Answer said = healthy(request, world, way);
        if (request.character.ascii) escape_all(said);
        return said;
    };
    if (request.limit_wait) return perform(request.fault, request, served);
    if (request.path == "/api/models" && request.method == "GET") return list_public_models(request);
    if (request.refusal.status != 0)
        return refuse(request, request.refusal.status, request.refusal.message, request.refusal.code);
    if (!request.knob_mistake.empty()) return refuse(request, 400, request.knob_mistake);
    if (!request.fault) {
        if (auto refusal = refusal_by_key(request, model)) return *refusal;
        std::string mistake;
        request.fault = choose_fault(request, world, model, mistake);
        if (!mistake.empty()) return refuse(request, 400, "The fault is not understood: " + mistake, "mock_fault");
    }
    choose_character(request, world, model);
    if (!request.fault) return served();
    if (document && request.fault->whole) document->answer_whole();
    return perform(request.fault, request, served);
}

}  // namespace

Answer answer(Request& request, World& world) {
    if (is_control(request.path)) return control(request, world);
    Way way{below_version(request.path)};
    way.route = route_to(way.path);
    std::optional<Document> document;
    if (way.route && way.route->takes_document && request.method == "POST")
        request.document = &document.emplace(request);
    const Named model = model_of(request, world, way);
    Answer made = decide(request, world, document ? &*document : nullptr, way, model);
    if ((made.testimony = testify(request))) {
        if (world.testimonies.size() == most_testimonies) world.testimonies.pop_front();
        world.testimonies.push_back(made.testimony);
    }
    request.document = nullptr;
    made.delay += world.delay;
    if (world.jitter.count() != 0)
        made.delay += std::chrono::milliseconds(other_seed(request.sequence, 5) % (world.jitter.count() + 1));
    settle(request, made, world, model);
    return made;
}

}  // namespace streamkeeper::mock
