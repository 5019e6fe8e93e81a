#include "mock/teller.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "mock/reply.hpp"

namespace streamkeeper::mock {
namespace {

namespace json = boost::json;

constexpr std::size_t envelope = 600;  // about what a JSON answer weighs without its text
constexpr std::size_t most_kept_tokens = 100'000;
constexpr std::string_view white = " \t\r\n\v\f";

std::vector<std::string> stops_of(const json::value* value) {
    std::vector<std::string> stops;
    const auto add = [&](const json::value& one) {
        if (one.is_string() && !one.get_string().empty()) stops.emplace_back(one.get_string());
    };
    if (!value) return stops;
    if (const auto* list = value->if_array()) {
        for (const auto& one : *list) add(one);
    } else {
        add(*value);
    }
    return stops;
}

std::string_view trimmed(std::string_view text) {
    const std::size_t last = text.find_last_not_of(white);
    return text.substr(0, last == text.npos ? 0 : last + 1);
}

/// Other words from byte `at` on; the number of tokens stays about the same.
std::vector<std::string> other_text(std::uint64_t seed, std::size_t count) {
    std::vector<std::string> tokens =
        tokens_of(TextShape::words, other_seed(seed, 21), std::max<std::size_t>(count, 1));
    tokens.front() = "⟂" + tokens.front();
    return tokens;
}

}  // namespace

Teller::Teller(const Request& request, const Document& document, const Ask& ask, const Opening& opening,
               std::uint64_t seed)
    : request_(request), document_(document), opening_(opening), seed_(seed) {
    if (!ask.stop_key.empty()) stops_ = stops_of(document.find(ask.stop_key));
    const Character& character = request.character;
    const bool grammar = character.manner == PrefixManner::grammar_reset && document.find("response_format");
    shape_ = character.text.value_or(grammar ? TextShape::json : TextShape::words);
}

PrefixManner Teller::manner() const {
    const Character& character = request_.character;
    if (!opening_.has(character.needs.value_or(PrefixFlag::none))) return PrefixManner::closed;
    return character.manner.value_or(PrefixManner::exact);
}

std::string_view Teller::refusal() const {
    if (!opening_.prefix) return {};
    const bool spaced = !opening_.prefix->empty() && white.find(opening_.prefix->back()) != white.npos;
    if (manner() == PrefixManner::reject)
        return "This model does not support assistant message prefill. The conversation must end with a user message.";
    if (manner() == PrefixManner::reject_space && spaced)
        return "messages: final assistant content cannot end with trailing whitespace";
    return {};
}

bool Teller::is_too_long() const { return !opening_.repeat && length() > most_made_tokens; }

bool Teller::is_plain() const {
    return shape_ == TextShape::words && !opening_.prefix && !opening_.repeat && stops_.empty() &&
           !request_.character.split_pairs && !(request_.character.drift && request_.asked_before != 0);
}

std::size_t Teller::length() const {
    if (request_.knobs.tokens) return *request_.knobs.tokens;
    if (request_.character.tokens) return *request_.character.tokens;
    if (!request_.knobs.bytes) return 16 + seed_ % 24;
    std::size_t tokens = 0;
    for (std::size_t size = envelope; size < *request_.knobs.bytes; ++tokens) size += word(seed_, tokens).size() + 1;
    return std::max<std::size_t>(tokens, 1);
}

std::vector<std::string> Teller::made() {
    std::vector<std::string> tokens = opening_.repeat ? word_tokens(*opening_.repeat)
                                                      : tokens_of(shape_, seed_, std::min(length(), most_made_tokens));
    drift(tokens);
    return tokens;
}

/// From the second request of a play on the text is another one behind that byte.
void Teller::drift(std::vector<std::string>& tokens) const {
    const auto at = request_.character.drift;
    if (!at || request_.asked_before == 0) return;
    const std::size_t before = tokens.size();
    keep_first(tokens, *at);
    std::size_t cut = 0;  // whole characters stay
    while (!tokens.empty() && cut < 3) {
        boost::system::error_code torn;
        json::parse(json_text(tokens.back()), torn);
        if (!torn) break;
        tokens.back().pop_back();
        ++cut;
    }
    for (auto& token : other_text(seed_, before - std::min(before, tokens.size()))) tokens.push_back(std::move(token));
}

/// Cuts before the first stop string that ends behind `from`.
void Teller::stop(std::vector<std::string>& tokens, std::size_t from) {
    stopped_by_.clear();
    if (stops_.empty()) return;
    const std::string text = joined(tokens);
    std::size_t first = text.npos;
    for (const auto& stop : stops_) {
        const std::size_t start = from >= stop.size() ? from - stop.size() + 1 : 0;
        const std::size_t at = text.find(stop, start);
        if (at >= first) continue;
        first = at;
        stopped_by_ = stop;
    }
    if (first != text.npos) keep_first(tokens, std::max(first, from));
}

std::vector<std::string> Teller::exact_rest(const std::vector<std::string>& whole, std::string_view prefix) {
    if (joined(whole).starts_with(prefix)) return without_first(whole, prefix.size());
    drops_calls_ = true;
    return {std::string(bad_prefix)};
}

std::vector<std::string> Teller::rest(std::vector<std::string> whole) {
    const std::string& prefix = *opening_.prefix;
    std::vector<std::string> tokens = exact_rest(whole, prefix);
    const auto borders = [&] {
        std::size_t at = 0;
        for (const auto& token : whole)
            if ((at += token.size()) >= prefix.size()) return at == prefix.size();
        return true;
    };
    switch (manner()) {
        case PrefixManner::trim: drops_calls_ = false; return exact_rest(whole, trimmed(prefix));
        case PrefixManner::echo: return tokens.size() == 1 && tokens[0] == bad_prefix ? tokens : whole;
        case PrefixManner::closed: drops_calls_ = false; return whole;
        case PrefixManner::newpara:
            drops_calls_ = true;
            tokens = tokens_of(TextShape::prose, other_seed(seed_, 22), 12);
            tokens.insert(tokens.begin(), "\n\n");
            return tokens;
        case PrefixManner::preamble:
            tokens.insert(tokens.begin(), {"Sure,", " here", " is", " the", " rest:", " "});
            return tokens;
        case PrefixManner::token_sensitive:
            if (prefix.empty() || borders()) return tokens;
            drops_calls_ = true;
            return {std::string(bad_token)};
        case PrefixManner::grammar_reset:
            if (document_.find("response_format")) return whole;
            return tokens;
        case PrefixManner::tool_prose:
            if (!document_.find("tools")) return tokens;
            drops_calls_ = true;
            return tokens_of(TextShape::prose, other_seed(seed_, 23), 20);
        default: return tokens;
    }
}

Speech Teller::text(bool speaks) {
    if (!speaks && !opening_.prefix) return {};
    if (speaks && is_plain()) return Speech(seed_, length());
    std::vector<std::string> tokens = speaks ? made() : std::vector<std::string>();
    const bool own = opening_.prefix && joined(tokens).starts_with(*opening_.prefix);
    stop(tokens, own ? opening_.prefix->size() : 0);
    if (opening_.prefix) tokens = rest(std::move(tokens));
    return Speech(tokens, request_.character.split_pairs);
}

std::optional<std::string> Teller::whole(bool speaks) {
    if (!speaks) return std::string();
    if (length() > most_kept_tokens) return std::nullopt;
    std::vector<std::string> tokens = made();
    const bool own = opening_.prefix && joined(tokens).starts_with(*opening_.prefix);
    stop(tokens, own ? opening_.prefix->size() : 0);
    return joined(tokens);
}

std::size_t Teller::reasoning(bool thinks) const {
    const Character& character = request_.character;
    if (opening_.prefix && !character.rethink && manner() != PrefixManner::closed) return 0;
    const std::size_t usual = thinks || character.rethink ? 8 + seed_ % 8 : 0;
    return character.reasoning.value_or(usual);
}

}  // namespace streamkeeper::mock
