#include "mock/models.hpp"

#include <boost/json.hpp>
#include <charconv>

#include "mock/endpoints.hpp"
#include "mock/reply.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

// `created` and `owned_by` are there because some clients refuse a list without them (clients.md R1).
json::object entry(std::string_view id) {
    return {{"id", id}, {"object", "model"}, {"created", created}, {"owned_by", "streamkeeper-mock"}};
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

Answer list_models(const Request&) {
    json::array data;
    for (const auto id : model_ids) data.push_back(entry(id));
    Answer answer;
    answer.body = json::serialize(json::object{{"object", "list"}, {"data", std::move(data)}});
    return answer;
}

/// Apertis' list that needs no key (vendors.md 1.1).
Answer list_public_models(const Request&) {
    json::array data;
    for (const auto id : model_ids) data.push_back(json::object{{"id", id}, {"name", id}});
    Answer answer;
    answer.body = json::serialize(json::object{{"data", std::move(data)}});
    return answer;
}

Answer show_model(const Request& request, std::string_view escaped) {
    const std::string id = unescape(escaped);
    if (!is_known_model(id))
        return refuse(request, 404, "The model '" + id + "' does not exist", "model_not_found", "model");
    Answer answer;
    answer.body = json::serialize(entry(id));
    return answer;
}

}  // namespace streamkeeper::mock
