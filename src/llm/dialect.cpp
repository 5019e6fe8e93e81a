#include "streamkeeper/dialect.hpp"

#include "llm/event_parts.hpp"

namespace streamkeeper {

std::string_view endpoint_label(Endpoint endpoint) {
    switch (endpoint) {
        case Endpoint::chat_completions: return "chat_completions";
        case Endpoint::completions: return "completions";
        case Endpoint::responses: return "responses";
        case Endpoint::messages: return "messages";
        case Endpoint::embeddings: return "embeddings";
        case Endpoint::models: return "models";
        case Endpoint::other: break;
    }
    return "other";
}

const Dialect* dialect_of(Endpoint endpoint) {
    switch (endpoint) {
        case Endpoint::chat_completions: return &chat_dialect;
        case Endpoint::completions: return &completions_dialect;
        case Endpoint::responses: return &responses_dialect;
        case Endpoint::messages: return &messages_dialect;
        case Endpoint::embeddings:
        case Endpoint::models:
        case Endpoint::other: break;
    }
    return nullptr;
}

}  // namespace streamkeeper
