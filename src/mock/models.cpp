#include "mock/models.hpp"

#include <boost/json.hpp>
#include <charconv>

#include "mock/endpoints.hpp"
#include "mock/errors.hpp"
#include "mock/reply.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

const std::string character_prefix = "mock-";

// `created` and `owned_by` are there because some clients refuse a list without them (clients.md R1).
json::object entry(const Model& model) {
    json::object fields{
        {"id", model.name}, {"object", "model"}, {"created", created}, {"owned_by", "streamkeeper-mock"}};
    if (model.context_length != 0) fields["context_length"] = model.context_length;
    return fields;
}

/// Clients escape the slash of `mock-labs/mock-2` (openai-python does). Every name is ASCII without controls.
std::string unescape(std::string_view id) {
    std::string out;
    for (std::size_t at = 0; at < id.size(); ++at) {
        unsigned code = 0;
        const char* digits = id.data() + at + 1;
        const bool escape =
            id[at] == '%' && at + 2 < id.size() && std::from_chars(digits, digits + 2, code, 16).ptr == digits + 2;
        out += escape ? static_cast<char>(code) : id[at];
        at += escape ? 2 : 0;
    }
    return out;
}

}  // namespace

Models::Models() {
    for (const auto* name :
         {"mock-1", "mock-reasoner", "Mock-Cased-70B", "mock-embed", "mock-labs/mock-2", "mock-voice"})
        all_.push_back({name, 0});
    for (const std::string_view name : character_names())
        unlisted_.push_back({character_prefix + std::string(name), 0});
}

const Model* Models::find(std::string_view name) const {
    for (const auto* list : {&all_, &unlisted_})
        for (const auto& model : *list)
            if (model.name == name) return &model;
    return nullptr;
}

Character Models::character_of(std::string_view name) const {
    Character character;
    for (const auto& model : unlisted_)
        if (model.name == name) set_character(character, name.substr(character_prefix.size()));
    return character;
}

std::string_view Models::without_fault(std::string_view name) const {
    const std::size_t end = name.find('+');
    return end == name.npos || find(name) ? name : name.substr(0, end);
}

Answer list_models(const Request& request) {
    json::array data;
    for (const auto& model : request.models->all()) data.push_back(entry(model));
    Answer answer;
    answer.body = json::serialize(json::object{{"object", "list"}, {"data", std::move(data)}});
    return answer;
}

/// Apertis' list that needs no key (vendors.md 1.1).
Answer list_public_models(const Request& request) {
    json::array data;
    for (const auto& model : request.models->all())
        data.push_back(json::object{{"id", model.name}, {"name", model.name}});
    Answer answer;
    answer.body = json::serialize(json::object{{"data", std::move(data)}});
    return answer;
}

Answer show_model(const Request& request, std::string_view escaped) {
    const std::string id = unescape(escaped);
    const Model* const model = request.models->find(id);
    if (!model) return refuse(request, 404, missing_model(usual_shape(request), id), "model_not_found", "model");
    Answer answer;
    answer.body = json::serialize(entry(*model));
    return answer;
}

}  // namespace streamkeeper::mock
