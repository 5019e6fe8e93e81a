// Embeddings, as numbers and as base64 of little-endian floats (what the official SDKs ask for by default).
#include <bit>
#include <boost/json.hpp>
#include <cstring>

#include "mock/endpoints.hpp"
#include "mock/reply.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::int64_t default_dimensions = 64;
constexpr std::int64_t most_dimensions = 8192;

/// Multiples of 1/1024 in [-½, ½): exact in a float and in decimal, so both encodings say the same.
float component(std::uint64_t seed, std::size_t index) {
    return (static_cast<float>(other_seed(seed, index) % 1024) - 512.0F) / 1024.0F;
}

std::string base64(std::string_view bytes) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::size_t left = std::min<std::size_t>(bytes.size() - at, 3);
        std::uint32_t group = 0;
        for (std::size_t i = 0; i < 3; ++i)
            group = group << 8 | (i < left ? static_cast<unsigned char>(bytes[at + i]) : 0U);
        for (std::size_t i = 0; i < 4; ++i) out += i <= left ? digits[group >> (18 - 6 * i) & 63] : '=';
    }
    return out;
}

json::value vector_of(const json::value& input, std::size_t dimensions, bool as_base64) {
    static_assert(std::endian::native == std::endian::little, "the wire format is little-endian");
    Reading reading;
    reading.add(input);
    json::array numbers;
    std::string bytes(as_base64 ? dimensions * sizeof(float) : 0, '\0');
    for (std::size_t i = 0; i < dimensions; ++i) {
        const float value = component(reading.hash, i);
        if (as_base64) {
            std::memcpy(bytes.data() + i * sizeof(float), &value, sizeof(float));
        } else {
            numbers.push_back(static_cast<double>(value));
        }
    }
    if (as_base64) return json::value(base64(bytes));
    return numbers;
}

/// One text, one list of token numbers, or a list of either.
bool is_list_of_inputs(const json::value& input) {
    const auto* array = input.if_array();
    return array && !array->empty() && !array->front().is_number();
}

/// Token numbers are their own count; text is counted in words.
std::size_t tokens_of(const json::value& input) {
    const auto* array = input.if_array();
    if (array && !array->empty() && array->front().is_number()) return array->size();
    Reading reading;
    reading.add(input);
    return reading.words;
}

}  // namespace

Answer embeddings(const Request& request) {
    const Document& document = *request.document;
    if (document.refusal()) return *document.refusal();
    const auto* input = document.find("input");
    if (!input || !(input->is_string() || (input->is_array() && !input->get_array().empty())))
        return refuse(request, 400, "Missing required parameter: 'input'.", "missing_parameter", "input");
    const auto* wanted = document.find("dimensions");
    const std::int64_t dimensions = wanted && wanted->is_int64() ? wanted->get_int64() : default_dimensions;
    if (dimensions < 1 || dimensions > most_dimensions)
        return refuse(request, 400, "Invalid value for 'dimensions'.", "invalid_parameter", "dimensions");
    const auto* encoding = document.find("encoding_format");
    const bool as_base64 = encoding && encoding->is_string() && encoding->get_string() == "base64";
    json::array data;
    std::size_t tokens = 0;
    const auto add = [&](const json::value& item) {
        tokens += tokens_of(item);
        data.push_back(json::object{{"object", "embedding"},
                                    {"index", data.size()},
                                    {"embedding", vector_of(item, static_cast<std::size_t>(dimensions), as_base64)}});
    };
    if (is_list_of_inputs(*input)) {
        for (const auto& item : input->get_array()) add(item);
    } else {
        add(*input);
    }
    Answer answer;
    answer.body = json::serialize(json::object{{"object", "list"},
                                               {"data", std::move(data)},
                                               {"model", document.model()},
                                               {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}});
    return answer;
}

}  // namespace streamkeeper::mock
