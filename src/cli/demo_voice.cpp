#include "cli/demo_voice.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace streamkeeper::demo {
namespace {

constexpr std::size_t width = 96;

bool wants_colour() {
    const char* const refused = std::getenv("NO_COLOR");
    const char* const terminal = std::getenv("TERM");
    const bool dumb = terminal && std::string_view(terminal) == "dumb";
    return (!refused || !*refused) && !dumb && ::isatty(STDOUT_FILENO) == 1;
}

void put(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

/// Characters, not bytes.
std::size_t length(std::string_view text) {
    std::size_t count = 0;
    for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0U) != 0x80U ? 1 : 0;
    return count;
}

/// Breaks at spaces; the rest of a paragraph stands under its first word.
std::string wrapped(std::string_view text, std::size_t indent) {
    std::string out;
    for (std::size_t column = indent; !text.empty();) {
        const std::string_view word = text.substr(0, text.find(' '));
        if (column > indent && column + 1 + length(word) > width) {
            out += "\n" + std::string(indent, ' ');
            column = indent;
        }
        if (column > indent) out += ' ', ++column;
        out += word;
        column += length(word);
        text.remove_prefix(std::min(text.size(), word.size() + 1));
    }
    return out;
}

}  // namespace

Voice::Voice() : colour_(wants_colour()) {}

std::string Voice::paint(const char* code, std::string_view text) const {
    if (!colour_) return std::string(text);
    return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

void Voice::step(std::string_view title) { heading(std::to_string(++steps_) + ". " + std::string(title)); }
void Voice::heading(std::string_view title) { put("\n" + paint("1;36", title) + "\n"); }
void Voice::line(std::string_view text) { put(std::string(text) + "\n"); }
void Voice::row(std::string_view text) { put("     " + std::string(text) + "\n"); }
void Voice::sent(std::string_view text) { put("   " + paint("33", "> ") + wrapped(text, 5) + "\n"); }
void Voice::came(std::string_view text) { put("   " + paint("32", "< ") + wrapped(text, 5) + "\n"); }
void Voice::matters(std::string_view text) { put("   " + dim(wrapped(text, 3)) + "\n"); }

void Voice::quoted(std::string_view lines) {
    while (!lines.empty()) {
        const std::string_view one = lines.substr(0, lines.find('\n'));
        put("     " + dim(one) + "\n");
        lines.remove_prefix(std::min(lines.size(), one.size() + 1));
    }
}

void Voice::begin_flow() {
    put("   " + paint("32", "< "));
    column_ = 5;
}

void Voice::flow(std::string_view text) {
    if (column_ + length(text) > width) {
        put("\n     ");
        column_ = 5;
        if (text.starts_with(' ')) text.remove_prefix(1);
    }
    put(text);
    column_ += length(text);
}

void Voice::end_flow() { put("\n"); }
bool Voice::lost() const { return std::ferror(stdout) != 0; }

}  // namespace streamkeeper::demo
