// The events of OpenAI's Responses as the response, which the last event repeats.

#include <algorithm>
#include <utility>

#include "llm/assembly_dialects.hpp"
#include "llm/document_parts.hpp"

namespace streamkeeper::assembly_parts {
namespace {

using namespace document_parts;

/// `response.failed` is none: it breaks the stream.
bool is_end(std::string_view type) {
    constexpr std::string_view ends[] = {"response.completed", "response.incomplete", "response.cancelled"};
    return std::find(std::begin(ends), std::end(ends), type) != std::end(ends);
}

bool has_output(const Fields& response) { return !elements(response.find("output")).empty(); }

}  // namespace

void ResponseAssembly::add(const sse::Event& event, std::string_view data) {
    const std::string_view type = type_of(event, data);
    if (type == "response.output_item.done") {
        const Fields fields(data);
        const std::string_view item = fields.find("item");
        if (!is_object(item)) return;
        const std::uint64_t next = items_.empty() ? 0 : items_.rbegin()->first + 1;
        const auto [kept, added] = items_.try_emplace(number_of(fields.find("output_index")).value_or(next));
        if (added) *kept_ += 96;
        kept->second.clear();
        keep(kept->second, item, *kept_);
    } else if (is_end(type)) {
        const std::string_view response = Fields(data).find("response");
        if (!is_object(response)) return;
        response_.clear();
        keep(response_, response, *kept_);
        if (!has_output(Fields(response))) return;
        for (const auto& [index, item] : items_) *kept_ -= item.capacity() + 96;
        items_.clear();
    }
}

/// A response that is not stored may end without its output (the server of one coding tool): then it is in the items.
std::optional<std::string> ResponseAssembly::document() const {
    if (response_.empty()) return std::nullopt;
    if (items_.empty()) return response_;
    std::string out = "{";
    bool placed = false;
    const auto write_items = [&] {
        append_name(out, "output");
        out += '[';
        for (const auto& [index, item] : items_) {
            if (out.back() != '[') out += ',';
            out += item;
        }
        out += ']';
    };
    const Fields response(response_);
    for (const json::MemberCursor& member : response.members()) {
        if (!member.is("output")) {
            if (out.back() != '{') out += ',';
            out.append(member.key).append(":").append(member.value);
        } else if (!std::exchange(placed, true)) {
            write_items();
        }
    }
    if (!placed) write_items();
    out += '}';
    return out;
}

}  // namespace streamkeeper::assembly_parts
