// Files: names and sizes are remembered, contents are not.
#include <algorithm>
#include <boost/json.hpp>

#include "mock/endpoints.hpp"
#include "mock/reply.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::size_t most_files = 1000;

json::object entry(const StoredFile& file) {
    return {{"id", file.id},         {"object", "file"},          {"bytes", file.bytes},
            {"created_at", created}, {"filename", file.filename}, {"purpose", file.purpose},
            {"status", "processed"}};
}

Answer json_answer(const json::object& document) {
    Answer answer;
    answer.body = json::serialize(document);
    return answer;
}

}  // namespace

Answer upload_file(const Request& request, World& world) {
    if (!request.form || !request.form->complete())
        return refuse(request, 400, "The body is no complete multipart/form-data.");
    const Part* file = request.form->find("file");
    const Part* purpose = request.form->find("purpose");
    if (!file) return refuse(request, 400, "Missing required parameter: 'file'.", "missing_parameter", "file");
    if (!purpose) return refuse(request, 400, "Missing required parameter: 'purpose'.", "missing_parameter", "purpose");
    if (world.files.size() == most_files) world.files.erase(world.files.begin());
    StoredFile stored{"file-" + hex(other_seed(request.sequence, 3)), file->filename, purpose->value, file->bytes};
    world.files.push_back(stored);
    return json_answer(entry(stored));
}

Answer list_files(const Request&, const World& world) {
    json::array data;
    for (const auto& file : world.files) data.push_back(entry(file));
    return json_answer({{"object", "list"}, {"data", std::move(data)}, {"has_more", false}});
}

Answer show_file(const Request& request, const World& world, std::string_view id) {
    const auto it = std::find_if(world.files.begin(), world.files.end(), [id](const auto& f) { return f.id == id; });
    if (it == world.files.end())
        return refuse(request, 404, "No such File object: " + std::string(id), "file_not_found", "id");
    return json_answer(entry(*it));
}

}  // namespace streamkeeper::mock
