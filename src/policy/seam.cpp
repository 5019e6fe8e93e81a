// Whether a continuation starts anew (resumption.md, "Seam check"; closed turns: resumption_facts.md, section 2). Each
// of the three signs was held against every cut of ordinary texts (seam_test.cpp): what follows a cut in the text
// itself must not look like it.
#include <algorithm>
#include <cctype>

#include "policy/characters.hpp"
#include "streamkeeper/continuation.hpp"

namespace streamkeeper {

namespace {

constexpr std::string_view blanks = " \t\r\n";

/// Han, kana, Hangul: letters that know no case.
bool is_wide_letter(char32_t c) {
    return (c >= 0x3041 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7A3);
}

bool is_word_end(std::string_view text) {
    const char32_t c = characters::last(text).code;
    return characters::is_lower(c) || characters::is_upper(c) || characters::is_digit(c);
}

bool is_ascii(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

bool ends_sentence(char c) { return c == '.' || c == '!' || c == '?'; }

// ---- 1. the beginning again

/// Both begin with the same `size` bytes, and these do not come again, over the seam neither: text that repeats itself
/// may well go on with its beginning.
bool same_beginning(std::string_view shown, std::string_view continuation, std::size_t size) {
    if (shown.size() < size || continuation.size() < size) return false;
    const std::string_view beginning = shown.substr(0, size);
    if (!continuation.starts_with(beginning)) return false;
    const std::string joined = std::string(shown) + std::string(continuation.substr(0, size - 1));
    return joined.find(beginning, 1) == joined.npos;
}

/// As much as was looked at is the beginning of a text that repeats itself; but behind these last letters that never
/// came, so that this is no repetition of it.
bool out_of_turn(std::string_view shown, std::string_view continuation) {
    constexpr std::size_t behind = 4;
    const std::size_t size = std::min(continuation.size(), seam_window);
    if (size < seam_window || shown.size() < 2 * size || !continuation.starts_with(shown.substr(0, size))) return false;
    const std::string turn = std::string(shown.substr(shown.size() - behind)) + std::string(shown.substr(0, size));
    return shown.find(turn) == shown.npos;
}

/// Words do not stick together without a blank: what was cut behind a letter, and goes on at once with words that the
/// answer began with, is not the same sentence. Behind punctuation and where words are not parted (Chinese, data) only
/// a long piece says something.
bool repeats_beginning(std::string_view shown, std::string_view continuation) {
    constexpr std::size_t least = 12, enough = 32, piece = 40, text = 80, long_piece = 64, long_text = 192;
    const std::size_t size = std::min({shown.size(), continuation.size(), enough});
    const std::string_view beginning = shown.substr(0, size);
    const bool words = blanks.find(beginning.empty() ? ' ' : beginning.front()) == blanks.npos &&
                       beginning.find_first_of(blanks) != beginning.npos;
    if (words && is_word_end(shown) && size >= (is_ascii(beginning) ? least : enough) &&
        same_beginning(shown, continuation, size))
        return true;
    // No seam lies in white space (it is held), and a line may well begin as the first one did.
    if (trailing_space(shown) > 0) return false;
    if (out_of_turn(shown, continuation)) return true;
    // A line or a verse may be said twice; half of one is not.
    const char32_t last = characters::last(shown).code;
    const bool whole = last < 0x80 ? ends_sentence(static_cast<char>(last)) : !is_wide_letter(last);
    return shown.size() >= (whole ? long_text : text) &&
           same_beginning(shown, continuation, whole ? long_piece : piece);
}

// ---- 2. a paragraph in the middle of a sentence

/// A fence of a block of code that is open at the end (CommonMark, 4.5): it is closed by one at least as long.
bool in_code_block(std::string_view text) {
    char mark = 0;
    std::size_t length = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        line.remove_prefix(std::min(line.find_first_not_of(" \t>"), line.size()));
        if (line.empty() || (line[0] != '`' && line[0] != '~')) continue;
        const std::size_t run = std::min(line.find_first_not_of(line[0]), line.size());
        if (run < 3) continue;
        if (length == 0) {
            mark = line[0];
            length = run;
        } else if (line[0] == mark && run >= length && line.find_first_not_of(blanks, run) == line.npos) {
            length = 0;
        }
    }
    return length > 0;
}

/// A whole sentence stands in it, and another one has begun.
bool has_sentence(std::string_view line) {
    for (std::size_t i = 1; i + 2 < line.size(); ++i) {
        if (!ends_sentence(line[i]) || !std::isalnum(static_cast<unsigned char>(line[i - 1]))) continue;
        std::size_t next = line.find_first_not_of("\"')]*_`", i + 1);
        if (next == line.npos || line[next] != ' ') continue;
        next = line.find_first_not_of(" \"'([*_`", next);
        if (next != line.npos && characters::is_upper(characters::first(line.substr(next)).code)) return true;
    }
    return false;
}

/// A paragraph of one line that stops inside a sentence. A title, the subject of a mail, a term with its meaning and a
/// verse stop so by nature: they have no whole sentence before, and are short.
bool stops_in_sentence(std::string_view paragraph) {
    constexpr std::size_t least = 40, no_title = 160;
    if (paragraph.size() <= least || paragraph.find('\n') != paragraph.npos) return false;
    const char32_t first = characters::first(paragraph).code;
    if (!characters::is_upper(first) && !characters::is_lower(first) && first != '"' && first != 0x201C) return false;
    const char32_t last = characters::last(paragraph).code;
    if (last != ',' && !characters::is_lower(last)) return false;
    if (paragraph.find_first_of("|{};=<>") != paragraph.npos || paragraph.find("://") != paragraph.npos) return false;
    return paragraph.size() >= no_title || has_sentence(paragraph);
}

/// The last paragraph does, and none before it did.
bool in_sentence(std::string_view shown) {
    for (;;) {
        const std::size_t end = shown.find("\n\n");
        if (end == shown.npos) return stops_in_sentence(shown);
        if (stops_in_sentence(shown.substr(0, end))) return false;
        shown.remove_prefix(std::min(shown.find_first_not_of('\n', end), shown.size()));
    }
}

bool opens_paragraph(std::string_view shown, std::string_view continuation) {
    const std::size_t start = continuation.find_first_not_of(blanks);
    if (start == continuation.npos) return false;
    const std::string_view space = continuation.substr(0, start);
    if (std::count(space.begin(), space.end(), '\n') < 2) return false;
    if (!characters::is_upper(characters::first(continuation.substr(start)).code)) return false;
    return in_sentence(shown) && !in_code_block(shown);
}

// ---- 3. a preamble

bool starts_with_word(std::string_view text, std::string_view word) {
    if (text.size() < word.size()) return false;
    const bool same = std::equal(word.begin(), word.end(), text.begin(),
                                 [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
    if (!same || text.size() == word.size()) return same;
    const auto next = static_cast<unsigned char>(text[word.size()]);
    return next < 0x80 && !std::isalnum(next) && next != '_';
}

template <std::size_t count>
bool starts_with_any(std::string_view text, const std::string_view (&words)[count]) {
    return std::any_of(words, words + count, [text](std::string_view word) { return starts_with_word(text, word); });
}

/// Phrases that are enough alone. With a blank inside they are no part of a name.
constexpr std::string_view phrases[] = {
    "here is the",       "here is a",         "here's the",        "here's a",        "here are the",
    "i apologize",       "i apologise",       "i'm sorry",         "i am sorry",      "continuing from",
    "continuing where",  "continuing the",    "continuing with",   "let me continue", "let me finish",
    "let me pick",       "let me complete",   "i'll continue",     "i will continue", "as i was saying",
    "picking up",        "resuming from",     "resuming where",    "my apologies",    "sorry for the",
    "apologies for the", "it looks like you", "it seems like you", "it seems you",    "you're asking",
};
/// Words that need another one behind them: `isSure, x` is code.
constexpr std::string_view words[] = {"sure",  "certainly", "of course", "absolutely", "okay",       "ok",
                                      "sorry", "apologies", "right",     "understood", "no problem", "sure thing"};
constexpr std::string_view next_words[] = {"here",       "i",   "i'll", "i'm", "let", "let's", "continuing", "picking",
                                           "continuing", "the", "this", "as",  "we",  "my",    "below",      "to"};

bool is_preamble(std::string_view text) {
    if (!characters::is_upper(characters::first(text).code)) return false;
    if (starts_with_any(text, phrases)) return true;
    for (const std::string_view word : words) {
        if (!starts_with_word(text, word)) continue;
        std::string_view rest = text.substr(word.size());
        const std::size_t marks = std::min(rest.find_first_not_of(",.!:"), rest.size());
        rest.remove_prefix(marks);
        const std::size_t space = std::min(rest.find_first_not_of(blanks), rest.size());
        if (marks == 0 || space == 0) continue;
        rest.remove_prefix(space);
        for (const std::string_view next : next_words)
            if (starts_with_word(rest, next) && rest.find_first_of(" '", next.size()) == next.size()) return true;
    }
    return false;
}

/// Only behind a letter, a digit or a comma: behind the end of a sentence, a colon or a quote it may be what follows.
bool begins_with_preamble(std::string_view shown, std::string_view continuation) {
    const bool inside = is_word_end(shown) || shown.ends_with(',') || is_wide_letter(characters::last(shown).code);
    return inside && is_preamble(continuation);
}

}  // namespace

bool starts_anew(std::string_view shown, std::string_view continuation) {
    return repeats_beginning(shown, continuation) || opens_paragraph(shown, continuation) ||
           begins_with_preamble(shown, continuation);
}

}  // namespace streamkeeper
