#include "presets.hpp"

#include <array>

#include "address.hpp"

namespace streamkeeper::configuration {
namespace {

using std::chrono::minutes;

// 1,500 requests in three minutes from one address, whatever the keys, and 3,000 a minute for a key: apertis-ai/docs,
// docs/billing/rate-limits.md. Plans multiply them by 1, 1.5 or 2; these are the smallest.
constexpr std::array<RateLimit, 2> apertis_limits{{
    {1500, minutes(3), LimitScope::ip},
    {3000, minutes(1), LimitScope::key},
}};

// `stream_usage` is `auto` for all: each of them takes stream_options or can be asked once and remembered, and a
// vendor that stops taking it is then noticed instead of failing every stream.
constexpr std::array<Preset, 8> table{{
    // Base URL, and both `Authorization: Bearer` and `x-api-key` on any endpoint, Authorization winning:
    // apertis-ai/docs (docs/installation, docs/help/error-codes.md). The limit of the address is the lower one, so it
    // is the address that a 429 concerns: docs/billing/rate-limits.md.
    {"apertis", "https://api.apertis.ai/v1", AuthStyle::bearer, StreamUsage::automatic, LimitScope::ip, apertis_limits},
    // `/v2` serves chat, completions, embeddings, audio, images, responses and models; `/v1` only visual RAG, vector
    // stores and files: docs.llmhub.t-systems.net. Its limits hold for a contract and are shared by all its keys (the
    // same, rate limits); their numbers differ by contract, so there are none here.
    {"t-systems", "https://llm-server.llmhub.t-systems.net/v2", AuthStyle::bearer, StreamUsage::automatic,
     LimitScope::account},
    // OpenAI's wire, chat/completions and models alone: llmai.dev/docs/api-overview. It names a 429, but neither its
    // limit nor who shares it.
    {"llmai", "https://api.llmai.dev/v1", AuthStyle::bearer, StreamUsage::automatic, LimitScope::key},
    // Base URL and bearer: openrouter.ai/docs (API reference). Its last chunk carries usage, asked or not
    // (OpenRouterTeam/typescript-sdk, openapi), so asking changes nothing. More keys raise no limit:
    // openrouter.ai/docs/api/reference/limits.
    {"openrouter", "https://openrouter.ai/api/v1", AuthStyle::bearer, StreamUsage::automatic, LimitScope::account},
    // openai/openai-python, _client.py; stream_options: openai/openai-openapi. Limits belong to organisation and
    // project, not to a key: platform.openai.com/docs/guides/rate-limits.
    {"openai", "https://api.openai.com/v1", AuthStyle::bearer, StreamUsage::automatic, LimitScope::account},
    // `x-api-key` is the header of the Messages API: docs.anthropic.com (API overview); messages streams always carry
    // usage. Limits belong to the organisation: docs.anthropic.com (rate limits).
    {"anthropic", "https://api.anthropic.com/v1", AuthStyle::x_api_key, StreamUsage::automatic, LimitScope::account},
    // Port 11434, `/v1` for OpenAI's shape, no key: ollama/ollama, docs/openai.md. The address in figures, because
    // Ollama listens on IPv4 alone unless told otherwise and `localhost` may mean ::1 first. It answers a full queue
    // with 503 (server/sched.go) and limits nobody.
    {"ollama", "http://127.0.0.1:11434/v1", AuthStyle::none, StreamUsage::automatic, LimitScope::key},
    // Anything else that speaks OpenAI's API.
    {"generic", "", AuthStyle::bearer, StreamUsage::automatic, LimitScope::key},
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
