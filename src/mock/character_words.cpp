// The words about the model: they hold for every request of a name, not for one act.
#include <array>

#include "mock/values.hpp"
#include "mock/word_table.hpp"

namespace streamkeeper::mock {
namespace {

bool set_number(std::optional<std::size_t>& target, std::string_view value) {
    return (target = whole_number(value)).has_value();
}

template <bool Character::* flag>
bool set(Fault& fault, std::string_view) {
    return fault.character.*flag = true;
}

bool set_needs(Fault& fault, std::string_view value) {
    if (value == "prefix") fault.character.needs = PrefixFlag::prefix;
    if (value == "partial") fault.character.needs = PrefixFlag::partial;
    if (value == "continue_final_message") fault.character.needs = PrefixFlag::continue_final_message;
    return fault.character.needs.has_value();
}

constexpr std::array words{
    Word{"as", Value::required,
         "exact, trim, echo, closed, newpara, preamble, reject400, ws400, token_sensitive, grammar_reset or tool_prose",
         [](Fault& fault, std::string_view value) { return set_character(fault.character, value); }},
    Word{"text", Value::required, text_shape_words,
         [](Fault& fault, std::string_view value) { return (fault.character.text = text_shape(value)).has_value(); }},
    Word{"needs_flag", Value::required, "prefix, partial or continue_final_message", set_needs},
    Word{"tokens", Value::required, "a number of tokens",
         [](Fault& fault, std::string_view value) { return set_number(fault.character.tokens, value); }},
    Word{"reasoning", Value::required, "a number of tokens",
         [](Fault& fault, std::string_view value) { return set_number(fault.character.reasoning, value); }},
    Word{"drift", Value::required, "a number of bytes",
         [](Fault& fault, std::string_view value) { return set_number(fault.character.drift, value); }},
    Word{"escape", Value::required, "ascii",
         [](Fault& fault, std::string_view value) { return fault.character.ascii = value == "ascii"; }},
    Word{"split", Value::required, "surrogates",
         [](Fault& fault, std::string_view value) { return fault.character.split_pairs = value == "surrogates"; }},
    Word{"text_then_tool", Value::none, "", set<&Character::text_then_tool>},
    Word{"tools_after_text", Value::none, "", set<&Character::text_then_tool>},
    Word{"two_calls", Value::none, "", set<&Character::two_calls>},
    Word{"rethink", Value::none, "", set<&Character::rethink>},
    Word{"model_swap", Value::none, "", set<&Character::model_swap>},
    Word{"never_finish", Value::none, "", set<&Character::never_finish>},
    Word{"role_every", Value::none, "", set<&Character::role_every>},
    Word{"fresh_ids", Value::none, "", set<&Character::fresh_ids>},
};

}  // namespace

std::span<const Word> character_words() { return words; }

}  // namespace streamkeeper::mock
