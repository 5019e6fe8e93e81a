#include "streamkeeper/assembly.hpp"

#include <algorithm>
#include <variant>

#include "llm/assembly_dialects.hpp"
#include "llm/document_parts.hpp"
#include "llm/event_parts.hpp"

namespace streamkeeper {
namespace {

using namespace document_parts;
using assembly_parts::ChunkAssembly;
using assembly_parts::MessageAssembly;
using assembly_parts::ResponseAssembly;

/// More than one candidate is compared, of which one is answered. Beam search and the log probabilities of the prompt
/// are vLLM's (its servers refuse them with `stream`).
bool compares_candidates(const Fields& body) {
    const std::string_view best_of = body.find("best_of");
    return (event_parts::filled(best_of) && best_of != "1") || body.find("use_beam_search") == "true" ||
           event_parts::filled(body.find("prompt_logprobs"));
}

/// Audio streams in one format only, and its pieces, each encoded for itself, are not those of the whole.
bool has_audio(const Fields& body) {
    const auto kinds = elements(body.find("modalities"));
    const auto is_audio = [](std::string_view kind) { return json::unquote(kind) == "audio"; };
    return is_object(body.find("audio")) || std::any_of(kinds.begin(), kinds.end(), is_audio);
}

}  // namespace

struct Assembly::Parts {
    explicit Parts(Endpoint endpoint) : dialect(make(endpoint, kept)) {}

    using Dialect = std::variant<ChunkAssembly, MessageAssembly, ResponseAssembly>;
    static Dialect make(Endpoint endpoint, assembly_parts::Kept& kept) {
        if (endpoint == Endpoint::messages) return MessageAssembly(kept);
        if (endpoint == Endpoint::responses) return ResponseAssembly(kept);
        return ChunkAssembly(endpoint == Endpoint::chat_completions, kept);
    }

    assembly_parts::Kept kept = sizeof(Parts);
    Dialect dialect;
};

Assembly::Assembly(Endpoint endpoint) : parts_(std::make_unique<Parts>(endpoint)) {}
Assembly::~Assembly() = default;
Assembly::Assembly(Assembly&&) noexcept = default;
Assembly& Assembly::operator=(Assembly&&) noexcept = default;

void Assembly::add(const sse::Event& event) {
    const std::string_view data = assembly_parts::trimmed(event.data);
    if (!is_object(data)) return;
    std::visit([&](auto& dialect) { dialect.add(event, data); }, parts_->dialect);
}

std::size_t Assembly::bytes() const { return parts_->kept; }

std::optional<std::string> Assembly::document() const {
    return std::visit([](const auto& dialect) { return dialect.document(); }, parts_->dialect);
}

bool can_stream(Endpoint endpoint, std::string_view text) {
    const Fields body(assembly_parts::trimmed(text));
    switch (endpoint) {
        case Endpoint::chat_completions: return !compares_candidates(body) && !has_audio(body);
        case Endpoint::completions: return !compares_candidates(body);
        case Endpoint::responses: return body.find("background") != "true";
        case Endpoint::messages: return true;
        case Endpoint::embeddings:
        case Endpoint::models:
        case Endpoint::other: break;
    }
    return false;
}

}  // namespace streamkeeper
