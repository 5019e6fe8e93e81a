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

// How each goes on with an answer that broke off; the others say nothing of it, so they are probed: an aggregator does
// what the model behind it does.
constexpr Capability known(Prefill prefill, std::optional<Seam> seam = {}) {
    Capability capability;
    capability.prefill = prefill;
    capability.seam = seam;
    return capability;
}

// `stream_usage` is `auto` for all: each of them takes stream_options or can be asked once and remembered, and a
// vendor that stops taking it is then noticed instead of failing every stream.
constexpr std::array<Preset, 11> table{{
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
    // openrouter.ai/docs/api/reference/limits. It documents a trailing message of the assistant (API reference,
    // Assistant
    // Prefill), but what becomes of it depends on the vendor it picks.
    {"openrouter", "https://openrouter.ai/api/v1", AuthStyle::bearer, StreamUsage::automatic, LimitScope::account},
    // openai/openai-python, _client.py; stream_options: openai/openai-openapi. Limits belong to organisation and
    // project, not to a key: platform.openai.com/docs/guides/rate-limits.
    // A trailing message of the assistant is a finished turn there, after which the model begins anew:
    // BerriAI/litellm#40404.
    {"openai",
     "https://api.openai.com/v1",
     AuthStyle::bearer,
     StreamUsage::automatic,
     LimitScope::account,
     {},
     known(Prefill::none)},
    // `x-api-key` is the header of the Messages API: docs.anthropic.com (API overview); messages streams always carry
    // usage. Limits belong to the organisation: docs.anthropic.com (rate limits).
    // Claude up to 4.5 goes on with a trailing message of the assistant; newer ones refuse it with 400, which is learnt
    // model by model: platform.claude.com (working with messages, prefill).
    {"anthropic",
     "https://api.anthropic.com/v1",
     AuthStyle::x_api_key,
     StreamUsage::automatic,
     LimitScope::account,
     {},
     known(Prefill::trailing, Seam::exact)},
    // `/beta` is the same API with `prefix`: api-docs.deepseek.com/guides/chat_prefix_completion. Bearer:
    // api-docs.deepseek.com. Its concurrency limit is the account's, whatever the key:
    // api-docs.deepseek.com/quick_start/rate_limit.
    {"deepseek",
     "https://api.deepseek.com/beta",
     AuthStyle::bearer,
     StreamUsage::automatic,
     LimitScope::account,
     {},
     known(Prefill::prefix, Seam::exact)},
    // Base URL and bearer: docs.mistral.ai (API keys). `prefix`: mistralai/client-python, models/assistantmessage.py;
    // the answer repeats it: vercel/ai#3256. Limits belong to the organisation: docs.mistral.ai (rate limits and usage
    // tiers).
    {"mistral",
     "https://api.mistral.ai/v1",
     AuthStyle::bearer,
     StreamUsage::automatic,
     LimitScope::account,
     {},
     known(Prefill::prefix, Seam::echo)},
    // `partial`, whose answer does not repeat it: platform.kimi.ai/docs/api/partial. Base URL and bearer:
    // platform.moonshot.ai/docs (API reference). Limits belong to the account:
    // platform.moonshot.ai/docs/pricing/limits.
    {"moonshot",
     "https://api.moonshot.ai/v1",
     AuthStyle::bearer,
     StreamUsage::automatic,
     LimitScope::account,
     {},
     known(Prefill::partial, Seam::exact)},
    // Port 11434, `/v1` for OpenAI's shape, no key: ollama/ollama, docs/openai.md. The address in figures, because
    // Ollama listens on IPv4 alone unless told otherwise and `localhost` may mean ::1 first. It answers a full queue
    // with 503 (server/sched.go) and limits nobody. Its templates leave a trailing message of the assistant open
    // (model/renderers).
    {"ollama",
     "http://127.0.0.1:11434/v1",
     AuthStyle::none,
     StreamUsage::automatic,
     LimitScope::key,
     {},
     known(Prefill::trailing, Seam::exact)},
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
