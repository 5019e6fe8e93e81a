// Audio both ways: an upload that is counted and never kept, and bytes that are no text.
#include <boost/json.hpp>

#include "mock/endpoints.hpp"
#include "mock/reply.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::size_t default_audio = 16 * 1024;
constexpr std::size_t default_chunk = 4096;
constexpr std::size_t bytes_per_second = 16'000;  // of speech, for a plausible duration

}  // namespace

Answer transcriptions(const Request& request) {
    if (!request.form || !request.form->complete())
        return refuse(request, 400, "The body is no complete multipart/form-data.");
    const Part* file = request.form->find("file");
    if (!file) return refuse(request, 400, "Missing required parameter: 'file'.", "missing_parameter", "file");
    Reading reading;
    reading.add(std::string_view(file->filename));
    reading.add(std::string_view(std::to_string(file->bytes)));
    const std::size_t tokens = request.knobs.tokens.value_or(request.knobs.bytes.value_or(60) / 6);
    const std::uint64_t seconds = file->bytes / bytes_per_second + 1;
    Answer answer;
    answer.body = json::serialize(json::object{{"text", text(reading.hash, tokens)},
                                               {"bytes", file->bytes},
                                               {"usage", {{"type", "duration"}, {"seconds", seconds}}}});
    return answer;
}

Answer speech(const Request& request) {
    const Document& document = *request.document;
    if (document.refusal()) return *document.refusal();
    const auto* input = document.find("input");
    if (!input || !input->is_string())
        return refuse(request, 400, "Missing required parameter: 'input'.", "missing_parameter", "input");
    Reading reading;
    reading.add(*input);
    const std::size_t size = request.knobs.bytes.value_or(default_audio);
    const std::size_t chunk = request.knobs.chunk_bytes.value_or(default_chunk);
    Answer answer;
    answer.content_type = "audio/mpeg";
    answer.events = (size + chunk - 1) / chunk;
    answer.event = [seed = reading.hash, size, chunk](std::size_t step, std::string& out) {
        const std::size_t end = std::min(size, (step + 1) * chunk);
        std::uint64_t eight = other_seed(seed, step * chunk / 8);
        for (std::size_t at = step * chunk; at < end; ++at) {
            if (at % 8 == 0) eight = other_seed(seed, at / 8);
            out += static_cast<char>(eight >> (at % 8 * 8) & 0xff);
        }
        return true;
    };
    return answer;
}

}  // namespace streamkeeper::mock
