/// How a model speaks and how it takes an answer that was begun for it: the words of a name that hold for every
/// request, not for one act. Plain values; README.md beside this file is the user's page.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace streamkeeper::mock {

/// What the text of an answer looks like.
enum class TextShape {
    words,       ///< words and spaces, today's text
    prose,       ///< sentences, paragraphs, headings
    chinese,     ///< tokens of one to three characters, full-width punctuation
    code,        ///< lines, indentation, tabs, quotes, backslashes; tokens that end in white space
    repetitive,  ///< the same again and again
    yaml,        ///< keys, lists, nesting
    emoji,       ///< words and characters beyond the basic plane
    json         ///< one document
};

/// What a model makes of a trailing assistant turn.
enum class PrefixManner {
    exact,            ///< goes on from its last byte
    trim,             ///< strips white space at its end first
    echo,             ///< repeats it
    closed,           ///< takes it for complete and answers anew
    newpara,          ///< a new paragraph that says something else
    preamble,         ///< announces the rest
    reject,           ///< 400
    reject_space,     ///< 400 if it ends in white space
    token_sensitive,  ///< garbage unless it ends on one of the model's token borders
    grammar_reset,    ///< with a response_format: begins the document again
    tool_prose        ///< with tools: prose in place of a call
};

/// What must stand in a request for its trailing assistant turn to be gone on with.
enum class PrefixFlag {
    none,                   ///< nothing
    prefix,                 ///< `"prefix": true` in the message
    partial,                ///< `"partial": true` in the message
    continue_final_message  ///< the same in the body
};

struct Character {
    std::optional<TextShape> text;
    std::optional<PrefixManner> manner;
    std::optional<PrefixFlag> needs;
    std::optional<std::size_t> tokens;     ///< of the text
    std::optional<std::size_t> reasoning;  ///< tokens before it
    std::optional<std::size_t> drift;      ///< from the second request on the text differs from this byte on
    bool ascii = false;                    ///< non-ASCII is written as \uXXXX
    bool split_pairs = false;              ///< surrogate pairs are torn over two deltas
    bool text_then_tool = false;           ///< text before a call
    bool two_calls = false;
    bool rethink = false;       ///< reasoning also in a continuation
    bool model_swap = false;    ///< another model's name in a continuation
    bool never_finish = false;  ///< no finish_reason
    bool role_every = false;    ///< the role in every chunk
    bool fresh_ids = false;     ///< another id and time in every chunk

    /// What `stronger` says stands over what this one says.
    void merge(const Character& stronger);
};

/// `trim` in `as=trim` and `mock-trim`. False: there is no such character.
bool set_character(Character&, std::string_view name);
std::vector<std::string_view> character_names();

inline constexpr std::string_view text_shape_words = "words, prose, chinese, code, repetitive, yaml, emoji or json";
std::optional<TextShape> text_shape(std::string_view word);

}  // namespace streamkeeper::mock
