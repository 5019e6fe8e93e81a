#include "presets.hpp"

#include <array>

#include "address.hpp"

namespace streamkeeper::configuration {
namespace {

// `stream_usage` is `auto` for all: each of them takes stream_options or can be asked once and remembered, and a
// vendor that stops taking it is then noticed instead of failing every stream.
constexpr std::array<Preset, 8> table{{
    // Base URL, and both `Authorization: Bearer` and `x-api-key` on any endpoint, Authorization winning:
    // apertis-ai/docs (docs/installation, docs/help/error-codes.md).
    {"apertis", "https://api.apertis.ai/v1", AuthStyle::bearer, StreamUsage::automatic, true},
    // `/v2` serves chat, completions, embeddings, audio, images, responses and models; `/v1` only visual RAG, vector
    // stores and files: docs.llmhub.t-systems.net.
    {"t-systems", "https://llm-server.llmhub.t-systems.net/v2", AuthStyle::bearer, StreamUsage::automatic, true},
    // OpenAI's wire, chat/completions and models alone: llmai.dev/docs/api-overview.
    {"llmai", "https://api.llmai.dev/v1", AuthStyle::bearer, StreamUsage::automatic, true},
    // Base URL and bearer: openrouter.ai/docs (API reference). Its last chunk carries usage, asked or not
    // (OpenRouterTeam/typescript-sdk, openapi), so asking changes nothing.
    {"openrouter", "https://openrouter.ai/api/v1", AuthStyle::bearer, StreamUsage::automatic, true},
    // openai/openai-python, _client.py; stream_options: openai/openai-openapi.
    {"openai", "https://api.openai.com/v1", AuthStyle::bearer, StreamUsage::automatic, true},
    // `x-api-key` is the header of the Messages API: docs.anthropic.com (API overview); messages streams always carry
    // usage.
    {"anthropic", "https://api.anthropic.com/v1", AuthStyle::x_api_key, StreamUsage::automatic, true},
    // Port 11434, `/v1` for OpenAI's shape, no key: ollama/ollama, docs/openai.md. The address in figures, because
    // Ollama listens on IPv4 alone unless told otherwise and `localhost` may mean ::1 first.
    {"ollama", "http://127.0.0.1:11434/v1", AuthStyle::none, StreamUsage::automatic, false},
    // Anything else that speaks OpenAI's API.
    {"generic", "", AuthStyle::bearer, StreamUsage::automatic, true},
}};

}  // namespace

std::span<const Preset> presets() { return table; }

const Preset* find_preset(std::string_view name) {
    for (const Preset& preset : table) {
        if (preset.name == name) return &preset;
    }
    return nullptr;
}

const Preset* preset_at(const BaseUrl& url) {
    for (const Preset& preset : table) {
        const auto own = parse_base_url(preset.base_url);
        if (!own || own->port != url.port) continue;
        if (own->host == url.host || (is_loopback(own->host) && is_loopback(url.host))) return &preset;
    }
    return nullptr;
}

}  // namespace streamkeeper::configuration
