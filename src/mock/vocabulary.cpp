#include "mock/vocabulary.hpp"

#include <algorithm>
#include <array>

#include "config/schema.hpp"
#include "mock/hints.hpp"
#include "mock/knobs.hpp"
#include "mock/values.hpp"
#include "mock/word_table.hpp"

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
    NamedError{"expired", 400, "invalid_request_error", "", "",
               "This response can no longer be streamed because it is more than 5 minutes old"},
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
    ShapeWord{"field", ErrorShape::field},
    ShapeWord{"event", ErrorShape::event},
    ShapeWord{"finish_error", ErrorShape::finish_error},
};

template <class Entry, std::size_t size>
const Entry* find_in(const std::array<Entry, size>& table, std::string_view name, std::string_view Entry::* key) {
    const auto it = std::find_if(table.begin(), table.end(), [&](const auto& each) { return each.*key == name; });
    return it == table.end() ? nullptr : &*it;
}

std::array<std::span<const Word>, 3> all_words() { return {fault_words(), stream_words(), character_words()}; }

const Word* find_word(std::string_view name) {
    for (const auto table : all_words())
        for (const Word& word : table)
            if (word.name == name) return &word;
    return nullptr;
}
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

bool is_character_word(std::string_view word) {
    const std::string name = normal(word);
    const auto table = character_words();
    return std::any_of(table.begin(), table.end(), [&](const Word& each) { return each.name == name; });
}

bool needs_value(std::string_view word) {
    const Word* const known = find_word(normal(word));
    return known && known->value == Value::required;
}

std::string_view nearest_word(std::string_view word) {
    std::vector<std::string_view> all;
    for (const auto table : all_words())
        for (const Word& each : table) all.push_back(each.name);
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
    const auto in_stream = {ErrorShape::field, ErrorShape::event, ErrorShape::finish_error};
    const bool for_streams =
        fault_.shape && std::find(in_stream.begin(), in_stream.end(), *fault_.shape) != in_stream.end();
    if ((for_streams || fault_.then_done) && fault_.place != ErrorPlace::sse_in_200)
        return "the shapes field, event and finish_error, and `then_done`, are of errors in a stream: add "
               "`sse_error=N`";
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
