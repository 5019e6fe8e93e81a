#include "mock/speech.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "mock/reply.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/// Of a character of four bytes: those that need a surrogate pair.
bool is_wide(char c) { return (static_cast<unsigned char>(c) & 0xf8U) == 0xf0U; }

std::string escape(unsigned unit) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "\\u%04x", unit);
    return text.data();
}

unsigned wide_code(std::string_view four) {
    const auto bits = [&](std::size_t i) { return static_cast<unsigned char>(four[i]) & 0x3fU; };
    return (static_cast<unsigned char>(four[0]) & 0x07U) << 18 | bits(1) << 12 | bits(2) << 6 | bits(3);
}

std::string inside(std::string_view text) {
    const std::string literal = json_text(text);
    return literal.substr(1, literal.size() - 2);
}

}  // namespace

std::vector<std::string> word_tokens(std::string_view text) {
    std::vector<std::string> tokens;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at;
        while (end < text.size() && is_space(text[end])) ++end;
        while (end < text.size() && !is_space(text[end])) ++end;
        tokens.emplace_back(text.substr(at, end - at));
        at = end;
    }
    return tokens;
}

std::string joined(const std::vector<std::string>& tokens) {
    std::string out;
    for (const auto& token : tokens) out += token;
    return out;
}

std::vector<std::string> without_first(const std::vector<std::string>& tokens, std::size_t bytes) {
    std::vector<std::string> rest;
    for (const auto& token : tokens) {
        const std::size_t gone = std::min(bytes, token.size());
        bytes -= gone;
        if (gone < token.size()) rest.push_back(token.substr(gone));
    }
    return rest;
}

void keep_first(std::vector<std::string>& tokens, std::size_t bytes) {
    std::size_t kept = 0;
    for (; kept < tokens.size() && bytes != 0; ++kept) {
        tokens[kept].resize(std::min(tokens[kept].size(), bytes));
        bytes -= tokens[kept].size();
    }
    tokens.resize(kept);
}

Speech::Speech(const std::vector<std::string>& tokens, bool split_pairs) : made_(true) {
    for (const std::string& token : tokens) {
        std::string_view rest = token;
        while (split_pairs) {
            const auto* const wide = std::find_if(rest.begin(), rest.end(), is_wide);
            if (wide == rest.end()) break;
            const auto at = static_cast<std::size_t>(wide - rest.begin());
            const unsigned code = wide_code(rest.substr(at, 4)) - 0x10000U;
            pieces_.push_back(
                {inside(rest.substr(0, at)) + escape(0xd800U + (code >> 10)), std::string(rest.substr(0, at))});
            pieces_.push_back({escape(0xdc00U + (code & 0x3ffU)), std::string(rest.substr(at, 4))});
            rest.remove_prefix(at + 4);
        }
        if (!rest.empty()) pieces_.push_back({inside(rest), std::string(rest)});
    }
    count_ = pieces_.size();
}

void Speech::cut(std::size_t most) {
    count_ = std::min(count_, most);
    if (made_) pieces_.resize(count_);
}

void Speech::append(std::string& out, std::size_t index) const {
    if (made_) {
        out += pieces_[index].literal;
    } else {
        append_token(out, seed_, index);
    }
}

std::string Speech::token(std::size_t index) const {
    if (made_) return pieces_[index].text;
    std::string out;
    append_token(out, seed_, index);
    return out;
}

std::string Speech::text() const {
    if (!made_) return mock::text(seed_, count_);
    std::string out;
    for (const Piece& piece : pieces_) out += piece.text;
    return out;
}

}  // namespace streamkeeper::mock
