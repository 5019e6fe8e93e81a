// The words of errors, ends and pace.
#include <array>

#include "mock/values.hpp"
#include "mock/vocabulary.hpp"
#include "mock/word_table.hpp"
#include "streamkeeper/config.hpp"

namespace streamkeeper::mock {
namespace {

bool set_text(std::string& target, std::string_view value) {
    target = value;
    return true;
}

bool set_count(std::size_t& target, std::string_view value) {
    const auto number = whole_number(value);
    if (number) target = *number;
    return number.has_value();
}

bool set_duration(std::chrono::milliseconds& target, std::string_view value) {
    const auto duration = parse_duration(value);
    if (!duration || *duration == no_limit) return false;
    target = *duration;
    return true;
}

/// An empty value: the ending comes behind the whole answer.
bool set_ending(Fault& fault, Ending ending, std::string_view value) {
    if (fault.wire.ending != Ending::none) return false;
    fault.wire.ending = ending;
    if (value.empty()) return true;
    fault.wire.left = whole_number(value);
    return fault.wire.left.has_value();
}

bool set_flag(bool& flag) { return flag = true; }

constexpr std::string_view a_duration = "a duration like 250ms, 5s or 2m", bytes = "a number of bytes";
constexpr std::string_view an_offset = "a number of bytes, and one of close, rst, stall and hang is enough";

constexpr std::array words{
    Word{"status", Value::required, "a status from 200 to 599",
         [](Fault& fault, std::string_view value) {
             const auto number = whole_number(value, 599);
             if (number) fault.status = static_cast<unsigned>(*number);
             return number.has_value() && *number >= 200;
         }},
    Word{"ok", Value::none, "", [](Fault&, std::string_view) { return true; }},
    Word{"shape", Value::required, error_shape_words,
         [](Fault& fault, std::string_view value) { return (fault.shape = error_shape(value)).has_value(); }},
    Word{"type", Value::required, "", [](Fault& f, std::string_view value) { return set_text(f.type, value); }},
    Word{"code", Value::required, "", [](Fault& f, std::string_view value) { return set_text(f.code, value); }},
    Word{"param", Value::required, "", [](Fault& f, std::string_view value) { return set_text(f.param, value); }},
    Word{"message", Value::required, "", [](Fault& f, std::string_view value) { return set_text(f.message, value); }},
    Word{"html", Value::none, "",
         [](Fault& fault, std::string_view) {
             fault.shape = ErrorShape::html;
             return true;
         }},
    Word{"json_error", Value::none, "",
         [](Fault& fault, std::string_view) {
             fault.place = ErrorPlace::json_in_200;
             return true;
         }},
    Word{"sse_error", Value::optional, "a number of events",
         [](Fault& fault, std::string_view value) {
             fault.place = ErrorPlace::sse_in_200;
             return value.empty() || set_count(fault.events_before_error, value);
         }},
    Word{"json", Value::none, "", [](Fault& fault, std::string_view) { return set_flag(fault.whole); }},
    Word{"empty", Value::none, "", [](Fault& fault, std::string_view) { return set_flag(fault.empty); }},
    Word{"events", Value::required, "a number of events",
         [](Fault& f, std::string_view value) { return (f.events = whole_number(value)).has_value(); }},
    Word{"remaining", Value::required, "a number",
         [](Fault& f, std::string_view value) { return whole_number(value) && set_text(f.remaining, value); }},
    Word{"should_retry", Value::required, "true or false",
         [](Fault& fault, std::string_view value) {
             fault.headers.emplace_back("x-should-retry", value);
             return value == "true" || value == "false";
         }},
    Word{"skew", Value::required, "whole seconds, also negative",
         [](Fault& fault, std::string_view value) {
             const bool negative = value.substr(0, 1) == "-";
             const auto number = whole_number(value.substr(negative ? 1 : 0));
             fault.clock_skew = std::chrono::seconds(number.value_or(0)) * (negative ? -1 : 1);
             return number.has_value();
         }},
    Word{"delay", Value::required, a_duration, [](Fault& f, std::string_view v) { return set_duration(f.delay, v); }},
    Word{"jitter", Value::required, a_duration, [](Fault& f, std::string_view v) { return set_duration(f.jitter, v); }},
    Word{"drip", Value::required, a_duration,
         [](Fault& f, std::string_view v) { return set_duration(f.wire.drip, v); }},
    Word{"drip_bytes", Value::required, bytes,
         [](Fault& f, std::string_view v) { return set_count(f.wire.drip_bytes, v) && f.wire.drip_bytes != 0; }},
    Word{"close", Value::optional, an_offset,
         [](Fault& fault, std::string_view value) { return set_ending(fault, Ending::fin, value); }},
    Word{"rst", Value::optional, an_offset,
         [](Fault& fault, std::string_view value) { return set_ending(fault, Ending::rst, value); }},
    Word{"stall", Value::required, an_offset,
         [](Fault& fault, std::string_view value) { return set_ending(fault, Ending::silence, value); }},
    Word{"hang", Value::none, an_offset,
         [](Fault& fault, std::string_view) { return set_ending(fault, Ending::silence, "0"); }},
    Word{"early", Value::none, "", [](Fault& fault, std::string_view) { return set_flag(fault.early); }},
};

}  // namespace

std::span<const Word> fault_words() { return words; }

}  // namespace streamkeeper::mock
