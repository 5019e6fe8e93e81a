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
#include "mock/opening.hpp"
#include "mock/speech.hpp"
#include "mock/tool_call.hpp"

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

struct Reply {
    std::string model;
    std::uint64_t seed = 0;     ///< of what is said
    std::uint64_t id_seed = 0;  ///< of ids: the same, but a continuation has ids of its own
    std::size_t prompt = 0;     ///< words read
    std::size_t cached = 0;     ///< of these, said to come from a cache: every fourth
    std::size_t reasoning = 0;  ///< tokens, before the text
    Speech text;
    std::vector<ToolCall> calls;  ///< instead of the text, or behind it
    bool cut = false;             ///< the limit ended the text
    std::string stopped_by;       ///< the stop string that ended it; empty: none
    bool finishes = true;         ///< says why it ended
    bool role_every = false, fresh_ids = false;

    std::size_t pieces() const;  ///< of all calls
    std::size_t output() const { return reasoning + text.size() + pieces(); }
    bool is_call() const { return !calls.empty() && text.size() == 0; }
    std::uint64_t reasoning_seed() const;
    std::string reasoning_text() const;
    std::string answer_text() const { return text.text(); }
    std::string id(std::string_view prefix, std::uint64_t which = 0) const;
};

/// `refusal` is set when a parameter does not fit, or the prompt not into the model. `choice` counts from 0.
Reply compose(const Request&, const Document&, const Ask&, std::optional<Answer>& refusal, std::size_t choice = 0);

/// What the model says to this conversation from its first byte on, whatever the limit and the beginning; none for
/// answers too long to be kept.
std::optional<std::string> whole_text(const Request&, const Document&, const Ask&);

/// A JSON string literal.
std::string json_text(std::string_view);

}  // namespace streamkeeper::mock
