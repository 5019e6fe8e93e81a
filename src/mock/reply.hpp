/// One answer of the model before a dialect dresses it: how many tokens of which kind, and what they cost.
#pragma once

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mock/answer.hpp"
#include "mock/models.hpp"

namespace streamkeeper::mock {

/// The instant of every answer (s since 1970). Fixed: equal requests get equal bytes.
constexpr std::int64_t created = 1767225600;

/// The JSON body of a policy request. An endpoint looks at `refusal` before anything else.
class Document {
public:
    explicit Document(const Request&);
    const boost::json::value* find(std::string_view key) const;  ///< nullptr: absent or null
    bool flag(std::string_view key) const;                       ///< present and true
    bool streams() const { return flag("stream") && !whole_; }   ///< the answer is to be a stream
    bool wants_usage() const;                                    ///< stream_options.include_usage
    std::string_view asked_model() const { return asked_; }      ///< as sent; empty: none
    std::string_view model() const { return model_; }            ///< the same without a fault's words
    const Model* known_model() const { return known_; }          ///< nullptr: the mock has no such model
    void answer_whole() { whole_ = true; }                       ///< not as a stream, though asked for one
    const std::optional<Answer>& refusal() const { return refusal_; }

private:
    boost::json::monotonic_resource memory_;
    boost::json::value root_;
    std::string_view asked_, model_;
    const Model* known_ = nullptr;
    bool whole_ = false;
    std::optional<Answer> refusal_;
};

/// What decides an answer. Pointers may be null.
struct Ask {
    const boost::json::value* preface = nullptr;       ///< system prompt or instructions
    const boost::json::value* conversation = nullptr;  ///< messages, input or prompt
    std::string_view limit_key;                        ///< the body's key for the most output tokens
    std::string_view limit_key_too;                    ///< its older spelling, or empty
    bool plain = false;                                ///< neither reasoning nor tools
};

struct Reply {
    std::string model;
    std::uint64_t seed = 0;
    std::size_t prompt = 0;              ///< words read
    std::size_t cached = 0;              ///< of these, said to come from a cache: every fourth
    std::size_t reasoning = 0;           ///< tokens, before the text
    std::size_t text = 0;                ///< tokens
    std::string tool;                    ///< the function called instead of text; empty: none
    std::vector<std::string> arguments;  ///< its JSON in pieces, one token each
    bool cut = false;                    ///< the limit ended the text

    std::size_t output() const { return reasoning + text + arguments.size(); }
    std::uint64_t reasoning_seed() const;
    std::string reasoning_text() const;
    std::string answer_text() const;
    std::string arguments_text() const;
    std::string id(std::string_view prefix) const;
};

/// `refusal` is set when a parameter does not fit, or the prompt not into the model.
Reply compose(const Request&, const Document&, const Ask&, std::optional<Answer>& refusal);

/// A JSON string literal.
std::string json_text(std::string_view);

}  // namespace streamkeeper::mock
