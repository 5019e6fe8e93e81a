#include "policy/classify_words.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <string>

namespace streamkeeper::recognise {
namespace {

/// What is searched of a message, at each end. A longer one echoes what was sent.
constexpr std::size_t most_searched = 8192;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// In lower case, and without the backquotes that TGI's versions put around names or leave out.
std::string plain(std::string_view message) {
    std::string text(message.substr(0, most_searched));
    if (message.size() > most_searched)
        text.append("\n").append(message.substr(std::max(most_searched, message.size() - most_searched)));
    std::erase(text, '`');
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return text;
}

bool one_of(std::string_view text, Words words) {
    return !text.empty() && std::find(words.begin(), words.end(), text) != words.end();
}

template <class Test>
bool any_string(const boost::json::value& value, Words names, const Test& test, int depth = 0) {
    if (depth > 8) return false;
    if (value.is_array())
        return std::any_of(value.get_array().begin(), value.get_array().end(), [&](const boost::json::value& element) {
            return any_string(element, names, test, depth + 1);
        });
    if (!value.is_object()) return false;
    for (const auto& [name, inner] : value.get_object()) {
        if (name == "input" || name == "flagged_input") continue;  // the request's own words
        if (inner.is_string() && one_of(name, names) && test(std::string_view(inner.get_string()))) return true;
        if (any_string(inner, names, test, depth + 1)) return true;
    }
    return false;
}

template <class Test>
bool any_detail(const Outcome& outcome, Words names, const Test& test) {
    const std::string& details = outcome.error.details;
    if (details.empty()) return false;
    boost::json::error_code bad;
    const boost::json::value parsed = boost::json::parse(details, bad);
    return bad ? test(details) : any_string(parsed, names, test);
}

/// The number behind `at`, thousands separated or not; -1 if there is none.
double number_at(std::string_view text, std::size_t at) {
    while (at < text.size() && (text[at] == ' ' || text[at] == ':')) ++at;
    double value = 0;
    std::size_t digits = 0;
    for (; at < text.size() && (is_digit(text[at]) || (text[at] == ',' && digits > 0)); ++at) {
        if (text[at] == ',') continue;
        value = value * 10 + (text[at] - '0');
        ++digits;
    }
    return digits == 0 ? -1 : value;
}

double number_after(std::string_view text, std::string_view word, std::size_t& at) {
    while ((at = text.find(word, at)) != text.npos) {
        at += word.size();
        if (const double value = number_at(text, at); value >= 0) return value;
    }
    return -1;
}

}  // namespace

bool refused(const Outcome& outcome) {
    if (outcome.phase == Phase::after_output) return false;
    return outcome.cause == Cause::answered || outcome.cause == Cause::stream_error ||
           outcome.cause == Cause::not_an_api;
}

int status(const Outcome& outcome) {
    if (!refused(outcome)) return 0;
    if (outcome.error.eff_status >= 400) return outcome.error.eff_status;
    // An error event of which nothing can be read is an error of the server's all the same.
    return outcome.cause == Cause::stream_error ? 500 : outcome.status;
}

bool status_is(const Outcome& outcome, std::initializer_list<int> statuses) {
    return std::find(statuses.begin(), statuses.end(), status(outcome)) != statuses.end();
}

bool named(const Outcome& outcome, Words codes) {
    const VendorError& error = outcome.error;
    return refused(outcome) && (one_of(error.code, codes) || one_of(error.type, codes) ||
                                one_of(error.error_type, codes) || one_of(error.message, codes));
}

bool says(const Outcome& outcome, Words phrases) {
    if (!refused(outcome) || outcome.error.message.empty()) return false;
    const std::string text = plain(outcome.error.message);
    return std::any_of(phrases.begin(), phrases.end(),
                       [&](std::string_view phrase) { return text.find(phrase) != text.npos; });
}

bool says_in_order(const Outcome& outcome, Words phrases) {
    if (!refused(outcome)) return false;
    const std::string text = plain(outcome.error.message);
    std::size_t at = 0;
    for (const std::string_view phrase : phrases) {
        at = text.find(phrase, at);
        if (at == text.npos) return false;
        at += phrase.size();
    }
    return true;
}

bool says_number(const Outcome& outcome, std::string_view phrase) {
    std::size_t at = 0;
    return refused(outcome) && number_after(plain(outcome.error.message), phrase, at) >= 0;
}

bool quotes(const Outcome& outcome, std::string_view name) {
    return refused(outcome) && outcome.error.message.find(name) != std::string::npos;
}

bool detail(const Outcome& outcome, Words names, std::string_view part) {
    return refused(outcome) &&
           any_detail(outcome, names, [part](std::string_view text) { return text.find(part) != text.npos; });
}

bool detail_is(const Outcome& outcome, Words names, std::string_view text) {
    return refused(outcome) && any_detail(outcome, names, [text](std::string_view found) { return found == text; });
}

bool names_reasons(const Outcome& outcome) {
    if (!refused(outcome) || outcome.error.metadata.empty()) return false;
    boost::json::error_code bad;
    const boost::json::value metadata = boost::json::parse(outcome.error.metadata, bad);
    if (bad || !metadata.is_object()) return false;
    const boost::json::value* const reasons = metadata.get_object().if_contains("reasons");
    return reasons != nullptr && reasons->is_array() && !reasons->get_array().empty();
}

bool context_length(const Outcome& outcome) {
    if (named(outcome, {"string_above_max_length"})) return false;  // a length in bytes, not in tokens
    if (named(outcome, {"context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded",
                        "token_limit_exceeded"}))
        return true;
    if (says(outcome, {"prompt is too long", "input is too long for requested model", "exceeds the context window",
                       "reduce the length of the messages", "maximum context length",
                       "exceeds the available context size", "greater than the context length",
                       "context window exceeds limit", "exceeded model token limit", "model_context_window_exceeded",
                       "context_length_exceeded", "context length exceeded", "token limit exceeded",
                       "inputs tokens + max_new_tokens must be", "is longer than the model's context length",
                       "exceed context limit", "contextwindowexceedederror", "exceeded max context length"}))
        return true;
    return says_number(outcome, "maximum prompt length is") || says_number(outcome, "exceeds the limit of") ||
           says_in_order(outcome, {"input token count", "exceeds the maximum"}) ||
           says_in_order(outcome, {"current length is", "while limit is"});
}

bool larger_than_limit(const Outcome& outcome) {
    if (says(outcome, {"request too large for"})) return true;
    const std::string text = plain(outcome.error.message);
    std::size_t at = 0;
    const double limit = number_after(text, "limit", at);
    if (limit < 0) return false;
    const double requested = number_after(text, "requested", at);
    return requested > limit;
}

bool unknown_model(const Outcome& outcome) {
    if (says(outcome, {"no models loaded", "model not exist", "not found the model", "not a valid model",
                       "invalid model name", "invalid model:", "invalid model '", "unknown model",
                       "no endpoints found for", "unable to access model"}))
        return true;
    const std::string text = plain(outcome.error.message);
    if (named(outcome, {"not_found_error"}) && text.starts_with("model:")) return true;  // Anthropic
    // "The model `x` does not exist", within one sentence; a model's name may have dots, but none before a blank.
    for (std::size_t at = 0; (at = text.find("model", at)) != text.npos; at += 5) {
        const std::size_t end = std::min({text.find(". ", at), text.find('\n', at), at + 240});
        const std::string_view sentence = std::string_view(text).substr(at, end - at);
        for (const std::string_view fate : {"does not exist", "not found", "not recognised", "not recognized"})
            if (sentence.find(fate) != sentence.npos) return true;
    }
    return false;
}

bool google_limit(const Outcome& outcome) {
    if (status(outcome) != 429) return false;
    const VendorError& error = outcome.error;
    // Gateways hand on Google's words as text, so that its billing-like sentence must not be taken for OpenAI's.
    return error.gstatus == "RESOURCE_EXHAUSTED" || named(outcome, {"RESOURCE_EXHAUSTED"}) ||
           quotes(outcome, "RESOURCE_EXHAUSTED") ||
           says(outcome, {"ai.google.dev/gemini-api", "generativelanguage.googleapis.com"});
}

bool google_daily(const Outcome& outcome) {
    for (const std::string_view word : {"PerDay", "Daily"})
        if (detail(outcome, {"quotaId", "quota_limit"}, word)) return true;
    if (quotes(outcome, "PerDay")) return true;
    const std::string text = plain(outcome.error.message);
    for (std::size_t at = 0; (at = text.find("limit: 0", at)) != text.npos;) {
        at += 8;
        const bool longer = at < text.size() &&
                            (is_digit(text[at]) || (text[at] == '.' && at + 1 < text.size() && is_digit(text[at + 1])));
        if (!longer) return true;
    }
    return false;
}

bool google_minute(const Outcome& outcome) {
    return detail(outcome, {"quotaId", "quota_limit"}, "PerMinute") || quotes(outcome, "PerMinute");
}

}  // namespace streamkeeper::recognise
