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

namespace streamkeeper::mock {

/// The instant of every answer (s since 1970). Fixed: equal requests get equal bytes.
constexpr std::int64_t created = 1767225600;

/// The JSON body of a policy request. Look at `refusal` before anything else.
class Document {
public:
    explicit Document(const Request&);
    const boost::json::value* find(std::string_view key) const;  ///< nullptr: absent or null
    bool flag(std::string_view key) const;                       ///< present and true
    bool wants_usage() const;                                    ///< stream_options.include_usage
    std::string_view model() const { return model_; }            ///< known to the mock
    const std::optional<Answer>& refusal() const { return refusal_; }

private:
    boost::json::monotonic_resource memory_;
    boost::json::value root_;
    std::string_view model_;
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

/// `mistake` is set to the name of a parameter whose value does not fit.
Reply compose(const Request&, const Document&, const Ask&, std::string& mistake);

/// A JSON string literal.
std::string quoted(std::string_view);

}  // namespace streamkeeper::mock
