// What the tokens of each shape of text are. They are chosen to be awkward for whoever cuts a text and glues it again:
// tokens of punctuation, tokens that end in white space, characters of three and four bytes, lines that repeat.
#include <array>

#include "mock/speech.hpp"
#include "mock/words.hpp"

namespace streamkeeper::mock {
namespace {

/// Numbers that follow from a seed.
class Dice {
public:
    explicit Dice(std::uint64_t seed) : seed_(seed) {}
    std::size_t below(std::size_t most) { return other_seed(seed_, 1000 + thrown_++) % most; }
    std::string_view word() { return mock::word(seed_, thrown_++); }

private:
    std::uint64_t seed_;
    std::uint64_t thrown_ = 0;
};

using Tokens = std::vector<std::string>;

std::string capital(std::string_view word) {
    std::string out(word);
    if (out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - ('a' - 'A'));
    return out;
}

void add_sentence(Tokens& tokens, Dice& dice, bool begins_paragraph) {
    constexpr std::array<std::string_view, 6> ends{".", ".", ".", "?", "!", " (sic)."};
    const std::size_t words = 4 + dice.below(8);
    tokens.push_back((begins_paragraph ? "" : " ") + capital(dice.word()));
    for (std::size_t i = 1; i < words; ++i) {
        if (dice.below(6) == 0) tokens.emplace_back(dice.below(4) == 0 ? " –" : ",");
        tokens.push_back(' ' + std::string(dice.word()));
    }
    tokens.emplace_back(ends[dice.below(ends.size())]);
}

void add_prose(Tokens& tokens, Dice& dice, std::size_t part) {
    if (part % 3 == 1) {
        tokens.insert(tokens.end(), {"##", ' ' + capital(dice.word()), ' ' + std::string(dice.word()), "\n\n"});
    }
    const std::size_t sentences = 2 + dice.below(3);
    for (std::size_t i = 0; i < sentences; ++i) add_sentence(tokens, dice, i == 0);
    tokens.emplace_back("\n\n");
}

void add_chinese(Tokens& tokens, Dice& dice, std::size_t) {
    constexpr std::array<std::string_view, 32> signs{"河", "流", "灯", "铜", "静", "港", "口", "窗", "早", "晨", "石",
                                                     "信", "号", "线", "桥", "纸", "绿", "引", "擎", "镜", "远", "花",
                                                     "园", "冬", "针", "云", "草", "地", "银", "箭", "市", "场"};
    constexpr std::array<std::string_view, 6> ends{"。", "。", "！", "？", "。\n\n", "……"};
    const std::size_t groups = 5 + dice.below(8);
    for (std::size_t i = 0; i < groups; ++i) {
        std::string token;
        const std::size_t size = 1 + dice.below(3);
        for (std::size_t k = 0; k < size; ++k) token += signs[dice.below(signs.size())];
        tokens.push_back(std::move(token));
        if (i + 1 < groups && dice.below(5) == 0) tokens.emplace_back(dice.below(3) == 0 ? "、" : "，");
    }
    tokens.emplace_back(ends[dice.below(ends.size())]);
}

void add_code(Tokens& tokens, Dice& dice, std::size_t) {
    const std::string name(dice.word()), other(dice.word());
    const auto add = [&](std::initializer_list<std::string> more) { tokens.insert(tokens.end(), more); };
    switch (dice.below(6)) {
        case 0:
            return add({"def", " " + name, "(", other, "):", "\n", "    ", "\"\"\"", capital(name), ".\"\"\"", "\n"});
        case 1: return add({"    return", " ", name, " + ", "1", ";\n"});
        case 2: return add({"\tprintf", "(\"", name, "\\n", "\\t\\\\", "\"", ", ", other, ")", ";\n", "\n"});
        case 3:
            return add(
                {"    ", "if", " (", name, " == ", "'\\''", ") ", "{\n", "        ", other, "();", "\n", "    }\n"});
        case 4: return add({"# ", name, " ", other, "  \n", "\n\n"});
        default: return add({"    ", name, " = ", "[", "\"" + other + "\"", ", ", "None", "]", "\n"});
    }
}

void add_repetitive(Tokens& tokens, Dice&, std::size_t part) {
    const bool lines = part % 4 >= 2;
    for (std::size_t i = 0; i < 8; ++i) tokens.emplace_back(i == 0 ? "la" : lines && i == 4 ? "\nla" : " la");
    tokens.emplace_back(lines ? "\n" : " ");
}

void add_yaml(Tokens& tokens, Dice& dice, std::size_t part) {
    const std::string name(dice.word());
    const auto add = [&](std::initializer_list<std::string> more) { tokens.insert(tokens.end(), more); };
    add({name, "_" + std::to_string(part), ":", "\n"});
    const std::size_t lines = 1 + dice.below(3);
    for (std::size_t i = 0; i < lines; ++i) {
        if (dice.below(2) == 0) {
            add({"  - ", std::string(dice.word()), "\n"});
            continue;
        }
        add({"  - ", "name", ": ", "\"", std::string(dice.word()), "\"\n", "    size", ":", " ",
             std::to_string(dice.below(1000)), "\n"});
    }
}

void add_emoji(Tokens& tokens, Dice& dice, std::size_t) {
    constexpr std::array<std::string_view, 8> signs{"🎉", "👩‍👩‍👧", "🇩🇪", "𝄞", "👍🏽", "🚀🚀", "❤️", "𠮷"};
    tokens.push_back((tokens.empty() ? "" : " ") + std::string(dice.word()));
    tokens.push_back((dice.below(2) == 0 ? " " : "") + std::string(signs[dice.below(signs.size())]));
    if (dice.below(4) == 0) tokens.emplace_back("!");
}

/// One document, complete whatever the number of tokens, if it is not below four.
Tokens json_document(std::uint64_t seed, std::size_t count) {
    Dice dice(seed);
    Tokens tokens{"{\"items\": ", "["};
    while (tokens.size() + 4 <= count) {
        if (tokens.size() > 2) tokens.emplace_back(", ");
        tokens.push_back('"' + std::string(dice.word()) + '"');
    }
    if (tokens.size() + 3 == count) tokens.emplace_back(" ");
    tokens.emplace_back("]");
    tokens.emplace_back("}");
    return tokens;
}

using Add = void (*)(Tokens&, Dice&, std::size_t part);

Add adder(TextShape shape) {
    switch (shape) {
        case TextShape::chinese: return add_chinese;
        case TextShape::code: return add_code;
        case TextShape::repetitive: return add_repetitive;
        case TextShape::yaml: return add_yaml;
        case TextShape::emoji: return add_emoji;
        default: return add_prose;
    }
}

}  // namespace

std::vector<std::string> tokens_of(TextShape shape, std::uint64_t seed, std::size_t count) {
    if (shape == TextShape::json) return json_document(seed, count);
    Tokens tokens;
    if (shape == TextShape::words) {
        for (std::size_t i = 0; i < count; ++i) append_token(tokens.emplace_back(), seed, i);
        return tokens;
    }
    Dice dice(seed);
    const Add add = adder(shape);
    for (std::size_t part = 0; tokens.size() < count; ++part) add(tokens, dice, part);
    tokens.resize(count);
    return tokens;
}

}  // namespace streamkeeper::mock
