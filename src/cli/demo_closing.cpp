#include "cli/demo_closing.hpp"

#include "cli/demo_voice.hpp"

namespace streamkeeper::demo {
namespace {

void show_tools(Voice& say, const std::string& base, const std::string& model) {
    const std::string root = base.substr(0, base.rfind('/'));
    say.heading("What to type into your tools");
    say.line("The key can be anything: streamkeeper puts in the real one. The model is any name of GET /v1/models.");
    say.line();
    say.line(say.bold("Cline") + "        API provider `OpenAI Compatible`");
    say.quoted("Base URL   " + base + "\nAPI key    local\nModel ID   " + model);
    say.line(say.bold("Continue") + "     in ~/.continue/config.yaml");
    say.quoted("models:\n  - {name: streamkeeper, provider: openai, model: " + model + ",\n     apiBase: " + base +
               ", apiKey: local}");
    say.line(say.bold("Cursor") + "       can't use " + base + ": Cursor's own servers make the call, and they");
    say.quoted(
        "refuse private addresses. It takes an HTTPS tunnel of yours to streamkeeper, the tunnel's\n"
        "host in `allowed_hosts` and a token in `clients`. Then: Override OpenAI Base URL\n"
        "https://YOUR-TUNNEL/v1, API key: that token. (Not every version of Cursor offers this, and\n"
        "its agent speaks a dialect of its own that streamkeeper does not translate yet.)");
    say.line(say.bold("Codex"));
    say.quoted("codex -m " + model + " -c model_provider=sk \\\n  -c 'model_providers.sk={name=\"sk\",base_url=\"" +
               base + "\",wire_api=\"responses\"}'");
    say.line(say.bold("Claude Code") + "  (no /v1; the vendor must offer /v1/messages)");
    say.quoted("ANTHROPIC_BASE_URL=" + root + " ANTHROPIC_AUTH_TOKEN=local \\\n  ANTHROPIC_MODEL=" + model + " claude");
    say.line(say.bold("OpenAI SDKs"));
    say.quoted("OPENAI_BASE_URL=" + base + " OPENAI_API_KEY=local");
    say.line("Behind a company's proxy, also set NO_PROXY=127.0.0.1,localhost for the tools.");
}

void show_begin(Voice& say) {
    say.heading("Begin for real");
    say.quoted(
        "streamkeeper key set apertis/main   # asks for the key, stores it, prints what to configure\n"
        "streamkeeper check                  # looks the configuration over\n"
        "streamkeeper serve");
}

}  // namespace

void show_closing(Voice& say, const std::string& staying_at) {
    const bool stays = !staying_at.empty();
    show_tools(say, stays ? staying_at : "http://127.0.0.1:8817/v1", stays ? "mock-1" : "MODEL");
    show_begin(say);
    if (!stays) return;
    say.heading("Staying up at " + staying_at + " until Ctrl-C");
    say.line("Try: curl " + staying_at + "/chat/completions \\");
    say.line(R"(       -d '{"model":"fast","messages":[{"role":"user","content":"hi"}]}')");
}

}  // namespace streamkeeper::demo
