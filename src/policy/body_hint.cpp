#include "policy/body_hint.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>

namespace streamkeeper::body_hint {
namespace {

using namespace std::chrono_literals;

/// What stands before a wait. `unit_needed`: "wait 2 more" is no wait of two seconds.
struct Phrase {
    std::string_view text;
    bool unit_needed;
};
constexpr std::array<Phrase, 15> phrases = {{{"try again in", false},
                                             {"try again after", false},
                                             {"retry in", false},
                                             {"retry after", false},
                                             {"retry-after", false},
                                             {"retry_after", false},
                                             {"retrydelay", true},
                                             {"retry your request in", false},
                                             {"retry your request after", false},
                                             {"retry this request after", false},
                                             {"resets in", true},
                                             {"reset in", true},
                                             {"reset after", true},
                                             {"wait for", true},
                                             {"wait", true}}};
constexpr std::array<std::string_view, 4> fillers = {"about ", "approximately ", "at least ", "another "};

/// The seconds, minutes and hours of "请在 30 秒后重试"; the number stands before the word.
struct ChineseUnit {
    std::string_view text;
    Length length;
};
constexpr std::array<ChineseUnit, 6> chinese = {
    {{"秒后", 1s}, {"秒钟后", 1s}, {"分后", 1min}, {"分钟后", 1min}, {"小时后", 1h}, {"毫秒后", 1ms}}};

constexpr std::size_t most_searched = 4096;  ///< of a message, at each end: a longer one echoes what was sent

std::string lower(std::string_view message) {
    std::string text;
    if (message.size() <= 2 * most_searched)
        text = message;
    else
        text.append(message.substr(0, most_searched))
            .append("\n")
            .append(message.substr(message.size() - most_searched));
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return text;
}

/// Also past the quotes of JSON that a gateway has put into the text.
std::string_view after_fillers(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(" :=\"'\\"), text.size()));
    for (const std::string_view filler : fillers)
        if (text.starts_with(filler)) text.remove_prefix(filler.size());
    return text;
}

std::optional<Length> in_chinese(std::string_view text) {
    for (const ChineseUnit& unit : chinese) {
        const std::size_t at = text.find(unit.text);
        if (at == text.npos) continue;
        std::string_view before = moments::trimmed(text.substr(0, at));
        const std::size_t end_of_words = before.find_last_not_of("0123456789.");
        before.remove_prefix(end_of_words == before.npos ? 0 : end_of_words + 1);
        if (const std::optional<Length> found = moments::number(before, unit.length)) return found;
    }
    return std::nullopt;
}

/// A number or a numeric string as text for the strict grammars; Boost would write a double as 9.5E0.
std::string text_of(const boost::json::value& value) {
    if (value.is_string()) return std::string(moments::trimmed(std::string_view(value.get_string())));
    if (value.is_int64() || value.is_uint64()) return boost::json::serialize(value);
    char text[400];  // the largest double has 309 digits
    if (!value.is_double()) return {};
    return std::string(text, std::to_chars(text, text + sizeof text, value.get_double(), std::chars_format::fixed).ptr);
}

/// "34s", "34.07s", or {"seconds":34,"nanos":70000000} as protobuf's own structs look.
std::optional<Length> delay_of(const boost::json::value& value) {
    if (!value.is_object()) return moments::go_duration(text_of(value));
    const boost::json::object& parts = value.get_object();
    const boost::json::value *const seconds = parts.if_contains("seconds"), *const nanos = parts.if_contains("nanos");
    if (seconds == nullptr) return std::nullopt;
    const auto whole = moments::number(text_of(*seconds), 1s);
    const auto rest = nanos == nullptr ? std::optional(Length::zero()) : moments::number(text_of(*nanos), 1ns);
    if (!whole || !rest || *whole > moments::absurd || *rest > 1s) return std::nullopt;
    return *whole + *rest;
}

std::optional<Length> delay_in(const boost::json::value& value) {
    if (value.is_array()) {
        for (const boost::json::value& element : value.get_array())
            if (const std::optional<Length> found = delay_in(element)) return found;
        return std::nullopt;
    }
    if (!value.is_object()) return std::nullopt;
    for (const std::string_view name : {"retryDelay", "retry_delay"}) {
        const boost::json::value* const delay = value.get_object().if_contains(name);
        if (delay == nullptr) continue;
        if (const std::optional<Length> found = delay_of(*delay)) return found;
    }
    return std::nullopt;
}

}  // namespace

std::optional<Length> in_message(std::string_view message) {
    const std::string text = lower(message);
    for (const Phrase& phrase : phrases) {
        for (std::size_t at = 0; (at = text.find(phrase.text, at)) != text.npos;) {
            at += phrase.text.size();
            const std::string_view wait = after_fillers(std::string_view(text).substr(at));
            if (const std::optional<Length> found = moments::prose_duration(wait, phrase.unit_needed)) return found;
        }
    }
    return in_chinese(text);
}

std::optional<Length> retry_delay(std::string_view details) {
    if (details.find("etry") == details.npos) return std::nullopt;
    boost::json::error_code bad;
    const boost::json::value parsed = boost::json::parse({details.data(), details.size()}, bad);
    return bad ? std::nullopt : delay_in(parsed);
}

Metadata::Metadata(std::string_view json) {
    if (json.empty()) return;
    boost::json::error_code bad;
    const boost::json::value parsed = boost::json::parse({json.data(), json.size()}, bad);
    if (bad || !parsed.is_object()) return;
    const boost::json::object& all = parsed.get_object();
    if (const boost::json::value* const value = all.if_contains("retry_after_seconds"))
        seconds = moments::number(text_of(*value), 1s);
    const boost::json::value* const headers = all.if_contains("headers");
    if (headers == nullptr || !headers->is_object()) return;
    for (const auto& [name, value] : headers->get_object()) {
        const bool list = value.is_array() && !value.get_array().empty();
        const std::string& key = texts.emplace_back(std::string_view(name));
        fields.all.push_back({key, texts.emplace_back(text_of(list ? value.get_array().front() : value))});
    }
}

}  // namespace streamkeeper::body_hint
