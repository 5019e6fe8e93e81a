#include "mock/vocabulary.hpp"

#include <algorithm>
#include <array>

#include "config/schema.hpp"
#include "mock/hints.hpp"
#include "mock/knobs.hpp"
#include "mock/values.hpp"
#include "streamkeeper/config.hpp"

namespace streamkeeper::mock {

/// Errors that are more than their status.
struct NamedError {
    std::string_view word;
    unsigned status;
    std::string_view type, code, param, message;
};

namespace {

constexpr std::array named_errors{
    NamedError{"missing", 404, "invalid_request_error", "model_not_found", "model", ""},
    NamedError{"context", 400, "invalid_request_error", "context_length_exceeded", "messages",
               "This model's maximum context length is 8192 tokens, but the prompt has 9001 tokens. Please reduce the "
               "length of the messages."},
    NamedError{"quota", 429, "insufficient_quota", "insufficient_quota", "",
               "You exceeded your current quota, please check your plan and billing details."},
    NamedError{"too_large", 429, "tokens", "rate_limit_exceeded", "",
               "Request too large for this model on tokens per minute: Limit 30000, Requested 30601."},
    NamedError{"policy", 400, "content_policy_error", "content_policy_violation", "",
               "The request was refused by the content policy."},
    NamedError{"no_stream_options", 400, "invalid_request_error", "unknown_parameter", "stream_options",
               "Unrecognized request argument supplied: stream_options"},
};

struct ShapeWord {
    std::string_view word;
    ErrorShape shape;
};

constexpr std::array shapes{
    ShapeWord{"openai", ErrorShape::openai},
    ShapeWord{"apertis", ErrorShape::apertis},
    ShapeWord{"anthropic", ErrorShape::anthropic},
    ShapeWord{"google", ErrorShape::google},
    ShapeWord{"openrouter", ErrorShape::openrouter},
    ShapeWord{"detail", ErrorShape::detail},
    ShapeWord{"detail_list", ErrorShape::detail_list},
    ShapeWord{"string", ErrorShape::string},
    ShapeWord{"top_level", ErrorShape::top_level},
    ShapeWord{"text", ErrorShape::text},
    ShapeWord{"html", ErrorShape::html},
    ShapeWord{"empty", ErrorShape::empty},
};

enum class Value { none, optional, required };

struct Word {
    std::string_view name;
    Value value;
    std::string_view expects;  ///< what the value must be
    bool (*set)(Fault&, std::string_view value);
};

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

template <class Entry, std::size_t size>
const Entry* find_in(const std::array<Entry, size>& table, std::string_view name, std::string_view Entry::* key) {
    const auto it = std::find_if(table.begin(), table.end(), [&](const auto& each) { return each.*key == name; });
    return it == table.end() ? nullptr : &*it;
}

const Word* find_word(std::string_view name) { return find_in(words, name, &Word::name); }
const NamedError* find_named(std::string_view name) { return find_in(named_errors, name, &NamedError::word); }

std::string normal(std::string_view word) {
    std::string out(word);
    std::replace(out.begin(), out.end(), '-', '_');
    return out;
}

bool has_controls(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string tick(std::string_view text) { return '`' + std::string(text) + '`'; }

std::string set_word(Fault& fault, const Word& word, std::optional<std::string_view> value) {
    if (word.value == Value::none && value) return tick(word.name) + " takes no value";
    if (word.value == Value::required && (!value || value->empty()))
        return tick(word.name) + " needs a value" + (word.expects.empty() ? "" : ": " + std::string(word.expects));
    if (!word.set(fault, value.value_or("")))
        return tick(word.name) + ": the value must be " + std::string(word.expects);
    return {};
}

std::string set_hint(Fault& fault, const HintWord& word, std::optional<std::string_view> value, Speaker speaker) {
    if (!value && speaker != Speaker::limit)
        return tick(word.name) + " needs a value (only a limiter knows the true wait)";
    if (value && word.computed && !seconds_number(*value)) return tick(word.name) + ": the value must be seconds";
    fault.hints.push_back({word.form, std::string(value.value_or(""))});
    return {};
}

}  // namespace

std::optional<ErrorShape> error_shape(std::string_view word) {
    const auto* found = find_in(shapes, word, &ShapeWord::word);
    return found ? std::optional(found->shape) : std::nullopt;
}

bool is_word(std::string_view word) {
    const std::string name = normal(word);
    return find_word(name) || find_named(name) || hint_named(name);
}

bool needs_value(std::string_view word) {
    const Word* const known = find_word(normal(word));
    return known && known->value == Value::required;
}

std::string_view nearest_word(std::string_view word) {
    std::vector<std::string_view> all;
    for (const auto& each : words) all.push_back(each.name);
    for (const auto& each : named_errors) all.push_back(each.word);
    for (const auto& each : hint_words()) all.push_back(each.name);
    return configuration::nearest(normal(word), all);
}

std::string FaultWriter::add(std::string_view word, std::optional<std::string_view> value) {
    const std::string name = normal(word);
    if (!is_word(name)) {
        const std::string_view near = nearest_word(name);
        return tick(word) + " is no word of the mock" + (near.empty() ? "" : "; did you mean " + tick(near) + '?');
    }
    if (value && has_controls(*value)) return tick(name) + " has control characters";
    if (std::find(seen_.begin(), seen_.end(), name) != seen_.end()) return tick(name) + " is given twice";
    seen_.push_back(name);
    if (!fault_.text.empty()) fault_.text += '+';
    fault_.text += name == "status" ? std::string(value.value_or("")) : name;
    if (value && name != "status") fault_.text += '=' + std::string(*value);
    if (const auto* known = find_word(name)) return set_word(fault_, *known, value);
    if (const auto* known = hint_named(name)) return set_hint(fault_, *known, value, speaker_);
    if (value) return tick(name) + " takes no value";
    if (named_) return tick(name) + " and " + tick(named_->word) + " are two errors; one is enough";
    named_ = find_named(name);
    return {};
}

std::string FaultWriter::add_header(std::string_view name, std::string_view value) {
    constexpr std::array<std::string_view, 5> framing{"content-length", "transfer-encoding", "connection", "date",
                                                      "server"};
    const bool token = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) ||
               std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
    });
    if (!token) return tick(name) + " is no field name";
    if (has_controls(value)) return tick(name) + " has control characters";
    for (const auto own : framing)
        if (same_name(name, own)) return tick(name) + " is written by the mock itself (see `close` and `skew`)";
    if (same_name(name, "content-type"))
        fault_.content_type = value;
    else
        fault_.headers.emplace_back(name, value);
    return {};
}

void FaultWriter::set_body(std::string body, bool is_json) {
    fault_.body = std::move(body);
    if (fault_.content_type.empty()) fault_.content_type = is_json ? "application/json" : "text/plain; charset=utf-8";
    fault_.text += fault_.text.empty() ? "body" : "+body";
}

std::string FaultWriter::finish() {
    if (named_) {
        if (!fault_.status) fault_.status = named_->status;
        const auto fill = [](std::string& text, std::string_view usual) {
            if (text.empty()) text = usual;
        };
        fill(fault_.type, named_->type);
        fill(fault_.code, named_->code);
        fill(fault_.param, named_->param);
        fill(fault_.message, named_->message);
        fault_.stream_options_only = named_->word == "no_stream_options";
    }
    if (!fault_.status && fault_.place != ErrorPlace::status) fault_.status = 500;
    if (!fault_.status && fault_.shape == ErrorShape::html) fault_.status = 200;
    if (fault_.text.empty()) fault_.text = "ok";
    return complete();
}

/// A plain 200 is the healthy answer; with a shape or a body it is one that looks healthy only at first sight.
std::string FaultWriter::complete() {
    const bool says = fault_.shape || !(fault_.type + fault_.code + fault_.param + fault_.message).empty();
    if (fault_.status == 200U && !says && !fault_.body) fault_.status.reset();
    if (says && !fault_.status) return "the words of an error need a status, like `503+code=overloaded`";
    if (fault_.body && says) return "a body of its own leaves no room for the words of an error";
    if ((speaker_ == Speaker::limit || speaker_ == Speaker::key) && !fault_.status)
        return "a refusal needs a status, like `429`";
    if (!fault_.early) return {};
    if (speaker_ == Speaker::name)
        return "`early` comes before the body, which has the model's name: use x-mock-fault or a script";
    if (speaker_ == Speaker::key) return "`early` is not for keys";
    if (!fault_.replaces() && !fault_.wire.ends_here())
        return "`early` needs a status, like `413+early`, or an end before the first byte, like `early+rst=0`";
    return {};
}

}  // namespace streamkeeper::mock
