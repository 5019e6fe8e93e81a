#include "cli/hint.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "config/schema.hpp"

namespace streamkeeper {
namespace {

std::string message(const std::string& what, const std::string& word, const std::vector<std::string>& known) {
    const std::vector<std::string_view> candidates(known.begin(), known.end());
    const std::string_view near = configuration::nearest(word, candidates);
    std::string text = "unknown " + what + " '" + word + "'";
    if (!near.empty()) return text + "; did you mean '" + std::string(near) + "'?";
    text += "; it may be ";
    for (const std::string& one : known) text += (one == known.front() ? "" : ", ") + one;
    return text;
}

std::vector<std::string> verbs_of(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* const verb : app.get_subcommands({})) names.push_back(verb->get_name());
    return names;
}

std::vector<std::string> flags_of(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* const option : app.get_options())
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    return names;
}

}  // namespace

std::string unknown_word(const CLI::App& app, int argc, const char* const* argv) {
    const CLI::App* level = &app;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word.size() > 1 && word[0] == '-') {
            const std::string flag = word.substr(0, word.find('='));
            const CLI::Option* const option = level->get_option_no_throw(flag);
            if (!option) return message("option", flag, flags_of(*level));
            if (option->get_expected_max() > 0 && flag == word) ++i;  // its value
            continue;
        }
        const std::vector<std::string> verbs = verbs_of(*level);
        if (verbs.empty()) continue;  // an operand
        if (std::find(verbs.begin(), verbs.end(), word) == verbs.end()) return message("command", word, verbs);
        level = level->get_subcommand(word);
    }
    return {};
}

}  // namespace streamkeeper
