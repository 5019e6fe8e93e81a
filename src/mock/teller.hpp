/// What the model says, and how it goes on with an answer that was begun: the oracle of the tests of resumption.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mock/answer.hpp"
#include "mock/opening.hpp"
#include "mock/speech.hpp"

namespace streamkeeper::mock {

inline constexpr std::string_view bad_prefix = "⟂BADPREFIX";  ///< said when the beginning is not the model's own
inline constexpr std::string_view bad_token = "⟂TOKEN";       ///< said when it ends inside a token

class Teller {
public:
    Teller(const Request&, const Document&, const Ask&, const Opening&, std::uint64_t seed);

    /// Sentences for people; empty: the model takes the beginning.
    std::string_view refusal() const;
    bool is_too_long() const;  ///< more tokens than can be made
    bool is_plain() const;     ///< nothing but the words of the seed, in any number

    /// The text of this call. Without `speaks` the model calls tools instead.
    Speech text(bool speaks);

    /// The text from its first byte on, whatever the beginning; none: too long to be kept.
    std::optional<std::string> whole(bool speaks);

    std::size_t reasoning(bool thinks) const;  ///< tokens; `thinks`: this model does
    bool drops_calls() const { return drops_calls_; }
    bool continues() const { return opening_.prefix.has_value(); }
    std::string_view stopped_by() const { return stopped_by_; }  ///< empty: no stop string ended the text

private:
    std::size_t length() const;
    PrefixManner manner() const;
    std::vector<std::string> made();
    void drift(std::vector<std::string>&) const;
    void stop(std::vector<std::string>&, std::size_t from);
    std::vector<std::string> rest(std::vector<std::string> whole);
    std::vector<std::string> exact_rest(const std::vector<std::string>& whole, std::string_view prefix);

    const Request& request_;
    const Document& document_;
    const Opening& opening_;
    std::uint64_t seed_;
    TextShape shape_ = TextShape::words;
    std::vector<std::string> stops_;
    std::string stopped_by_;
    bool drops_calls_ = false;
};

/// More tokens than this are not made; only plain words come in any number.
inline constexpr std::size_t most_made_tokens = 1'000'000;

}  // namespace streamkeeper::mock
