#include "cli/demo_reading.hpp"

#include <boost/json.hpp>
#include <cstdio>

namespace streamkeeper::demo {

namespace json = boost::json;

void require(bool holds, const std::string& what) {
    if (!holds) throw Failure(what);
}

json::value parsed(const std::string& text) {
    boost::system::error_code error;
    json::value value = json::parse(text, error);
    if (error) throw Failure("an answer that is no JSON: " + text.substr(0, 200));
    return value;
}

std::string at(const json::value& value, const char* pointer) {
    boost::system::error_code error;
    const json::value* const found = value.find_pointer(pointer, error);
    if (!found || error) return {};
    return found->is_string() ? std::string(found->get_string()) : json::serialize(*found);
}

std::string shortened(const std::string& text, std::size_t most) {
    if (text.size() <= most) return text;
    std::size_t end = most;
    while ((static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
    return text.substr(0, end) + "…";
}

std::string status_of(const Reply& reply) {
    const auto ms = reply.took.count();
    return std::to_string(reply.status) + " in " + (ms > 0 ? std::to_string(ms) : "< 1") + " ms";
}

std::string seconds(std::chrono::milliseconds time) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(time.count()) / 1000);
    return text;
}

std::string field(const Reply& reply, const std::string& name) {
    const auto found = reply.fields.find(name);
    return found == reply.fields.end() ? std::string() : found->second;
}

void for_each_event(std::string_view piece, const std::function<void(std::string_view)>& then) {
    for (std::size_t from = piece.find("data: "); from != piece.npos; from = piece.find("data: ", from)) {
        const std::size_t end = piece.find("\n\n", from);
        if (end == piece.npos) throw Failure("an event came in parts");
        then(piece.substr(from + 6, end - from - 6));
        from = end;
    }
}

std::string question(const std::string& model, const std::string& text, bool stream) {
    return R"({"model":")" + model + (stream ? R"(","stream":true)" : R"(")") +
           R"(,"messages":[{"role":"user","content":")" + text + R"("}]})";
}

}  // namespace streamkeeper::demo
