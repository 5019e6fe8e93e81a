#include "llm/held_calls.hpp"

#include <algorithm>

#include "llm/assembly_dialects.hpp"
#include "llm/document_parts.hpp"
#include "llm/event_parts.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {

struct HeldCalls::Parts {
    assembly_parts::Kept kept = 0;
    assembly_parts::Members calls{assembly_parts::calls_of_delta, kept};
};

HeldCalls::HeldCalls() = default;
HeldCalls::~HeldCalls() = default;

void HeldCalls::clear() {
    parts_.reset();
    pieces_ = 0;
}

std::size_t HeldCalls::bytes() const { return parts_ ? parts_->kept : 0; }

void HeldCalls::add(std::string_view delta) {
    bool any = false;
    for (const std::string_view name : {"tool_calls", "function_call"}) {
        const std::string_view value = json::find(delta, name);
        if (!event_parts::filled(value)) continue;
        if (!parts_) parts_ = std::make_unique<Parts>();
        parts_->calls.add('"' + std::string(name) + '"', value);
        any = true;
    }
    if (any) ++pieces_;
}

std::vector<std::string> HeldCalls::whole(Numbers numbers) const {
    std::vector<std::string> all;
    if (!parts_) return all;
    if (const assembly_parts::Value* calls = parts_->calls.find("tool_calls")) {
        std::vector<std::uint64_t> given;
        if (numbers == Numbers::given && calls->elements()) given = calls->elements()->orders();
        const bool apart = std::adjacent_find(given.begin(), given.end()) == given.end();
        std::string written;
        calls->write(written);
        const std::vector<std::string_view> each = document_parts::elements(written);
        for (std::size_t i = 0; i < each.size(); ++i) {
            const std::string_view call = each[i];
            if (!call.starts_with('{')) continue;
            const std::uint64_t number = apart && i < given.size() ? given[i] : all.size();
            std::string text = "[{\"index\":" + std::to_string(number);
            if (call.size() > 2) text.append(",");
            all.push_back(text.append(call.substr(1)).append("]"));
        }
    }
    if (const assembly_parts::Value* call = parts_->calls.find("function_call")) call->write(all.emplace_back());
    return all;
}

}  // namespace streamkeeper
