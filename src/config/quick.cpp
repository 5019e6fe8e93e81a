// quick_config: a configuration from three flags.
#include "address.hpp"
#include "load.hpp"
#include "presets.hpp"
#include "show.hpp"
#include "streamkeeper/config.hpp"

namespace streamkeeper {
namespace {

using configuration::scalar;

/// The flags are written as a file of one line each and go the same way as one, so no rule exists twice. A mistake's
/// line tells the flag.
struct QuickText {
    std::string text;
    std::vector<std::string> flags;  ///< of each line

    void line(const std::string& flag, const std::string& words) {
        text += words + '\n';
        flags.push_back(flag);
    }
};

QuickText write(const QuickStart& options, const BaseUrl& url, const configuration::Preset* preset) {
    const std::string name(preset != nullptr ? preset->name : "default");
    QuickText quick;
    if (!options.listen.empty()) {
        std::string list;
        for (const std::string& address : options.listen) list += (list.empty() ? "" : ", ") + scalar(address);
        quick.line("--listen", "listen: [" + list + "]");
    }
    quick.line("--upstream", "upstreams:");
    quick.line("--upstream", "  " + name + ":");
    quick.line("--upstream", "    preset: " + std::string(preset != nullptr ? preset->name : "generic"));
    quick.line("--upstream", "    base_url: " + scalar(url.host.empty() ? options.base_url : url.text));
    if (!options.key_file.empty()) {
        quick.line("--key-file", "    keys: [{name: default, file: " + scalar(options.key_file) + "}]");
    }
    return quick;
}

void replace(std::string& text, std::string_view from, std::string_view to) {
    if (const std::size_t at = text.find(from); at != text.npos) text.replace(at, from.size(), to);
}

/// Messages speak of the file's keys; here a person typed flags.
void rephrase(ConfigMistake& mistake, const QuickText& quick) {
    const auto line = static_cast<std::size_t>(mistake.line);
    const std::string flag = line > 0 && line <= quick.flags.size() ? quick.flags[line - 1] : "--upstream";
    mistake.line = mistake.column = 0;
    std::string& message = mistake.message;
    if (message.find("has no `keys`") != message.npos) {
        message = "--key-file FILE is needed: this upstream asks for a key";
        return;
    }
    if (message.starts_with("`upstreams.")) message.erase(0, message.find("` ") + 2);
    replace(message, "key `default`: ", "");
    if (const std::size_t hint = message.find("; `streamkeeper key set"); hint != message.npos) message.erase(hint);
    replace(message, "allow it with `cleartext: true`", "a configuration file with `cleartext: true`");
    replace(message, "tokens are required", "tokens are required; that takes a configuration file");
    message = flag + ": " + message;
}

}  // namespace

LoadResult quick_config(const QuickStart& options) {
    std::string note;
    BaseUrl url = parse_base_url(options.base_url).value_or(BaseUrl{});
    if (!url.host.empty()) note = configuration::correct_moved_host(url);
    const configuration::Preset* preset = url.host.empty() ? nullptr : configuration::preset_at(url);
    if (preset != nullptr && url.path.empty()) {
        url = parse_base_url(preset->base_url).value_or(url);
        if (note.empty()) note = "--upstream has no path; using " + url.text;
    }
    const QuickText quick = write(options, url, preset);
    LoadResult result = configuration::load_text(quick.text, "", std::filesystem::current_path());
    for (ConfigMistake& mistake : result.mistakes) rephrase(mistake, quick);
    if (result.config && !note.empty()) {
        auto noted = std::make_shared<Config>(*result.config);
        noted->notes.insert(noted->notes.begin(), note);
        result.config = std::move(noted);
    }
    return result;
}

}  // namespace streamkeeper
