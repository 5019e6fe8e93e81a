#include "ops/record_text.hpp"

#include <algorithm>
#include <charconv>

#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {

namespace {

long ms_between(Record::Clock::time_point from, Record::Clock::time_point to) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count();
}

/// Appends members to one string: this is done for every request, so nothing is allocated on the way.
class Members {
public:
    explicit Members(std::string& out) : out_(out) { out_.push_back('{'); }
    void raw(std::string_view name, std::string_view value) {
        begin(name);
        out_.append(value);
    }
    void add(std::string_view name, std::string_view value) {
        if (value.empty()) return;
        begin(name);
        const bool plain = std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
        if (!plain) {
            out_.append(json::quote(value));
            return;
        }
        out_.push_back('"');
        out_.append(value);
        out_.push_back('"');
    }
    void add(std::string_view name, std::int64_t value) {
        begin(name);
        char digits[24];
        const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
        out_.append(digits, end);
    }
    std::string& begin(std::string_view name) {
        out_.append(first_ ? "\"" : ",\"", first_ ? 1 : 2);
        first_ = false;
        out_.append(name);
        out_.append("\":", 2);
        return out_;
    }
    void end() { out_.push_back('}'); }

private:
    std::string& out_;
    bool first_ = true;
};

void append_attempts(std::string& out, const Record& record) {
    out.push_back('[');
    for (const AttemptRecord& attempt : record.attempts) {
        if (&attempt != &record.attempts.front()) out.push_back(',');
        Members one(out);
        one.add("upstream", attempt.upstream);
        one.add("key", attempt.key);
        if (attempt.status) one.add("status", attempt.status);
        one.add("reason", attempt.reason);
        one.add("detail", attempt.detail);
        one.add("ms", attempt.took.count());
        one.end();
    }
    out.push_back(']');
}

void append_tokens(std::string& out, const TokenCounts& tokens) {
    Members one(out);
    one.add("input", tokens.input);
    if (tokens.cache_read) one.add("cache_read", tokens.cache_read);
    if (tokens.cache_write) one.add("cache_write", tokens.cache_write);
    one.add("output", tokens.output);
    if (tokens.reasoning) one.add("reasoning", tokens.reasoning);
    one.end();
}

constexpr std::string_view length_hint = "the answer was cut by its own limit: raise max_tokens";

}  // namespace

void append_json(std::string& out, const Record& record) {
    Members line(out);
    line.add("id", record.id);
    line.add("client", record.client);
    line.add("method", record.method);
    line.add("endpoint", endpoint_label(record.endpoint));
    if (record.endpoint == Endpoint::other) line.add("path", record.path);
    line.add("model_asked", record.model_asked);
    line.add("model", record.model);
    line.add("upstream", record.upstream);
    line.add("key", record.key);
    line.add("status", record.status);
    line.add("outcome", ending_label(record.ending));
    line.add("code", record.code);
    line.add("end", record.stream_end);
    if (record.stream_end == "length") line.add("hint", length_hint);
    if (record.first_output != Record::Clock::time_point{}) line.add("ttft_ms", ms_between(record.began, record.first_output));
    line.add("ms", ms_between(record.began, record.ended));
    if (record.usage.any()) append_tokens(line.begin("tokens"), disjoint(record.usage));
    line.add("bytes_in", static_cast<std::int64_t>(record.bytes_in));
    line.add("bytes_out", static_cast<std::int64_t>(record.bytes_out));
    line.add("vendor_request_id", record.vendor_request_id);
    append_attempts(line.begin("attempts"), record);
    line.end();
}

std::string record_as_text(const Record& record) {
    std::string text = record.id + " ";
    if (!record.client.empty()) text += record.client + " ";
    text += record.method + " " + std::string(record.endpoint == Endpoint::other ? record.path : endpoint_label(record.endpoint));
    if (!record.model.empty()) text += " " + (record.model_asked == record.model ? "" : record.model_asked + " -> ") + record.model;
    if (!record.upstream.empty()) text += " @" + record.upstream;
    text += " " + std::to_string(record.status) + " " + std::string(ending_label(record.ending));
    if (!record.code.empty()) text += " " + record.code;
    if (!record.stream_end.empty()) text += " end=" + record.stream_end;
    if (record.first_output != Record::Clock::time_point{}) text += " ttft=" + std::to_string(ms_between(record.began, record.first_output)) + "ms";
    text += " " + std::to_string(ms_between(record.began, record.ended)) + "ms";
    if (record.usage.any()) {
        const TokenCounts tokens = disjoint(record.usage);
        text += " tokens=" + std::to_string(tokens.input + tokens.cache_read + tokens.cache_write) + "+" + std::to_string(tokens.output + tokens.reasoning);
    }
    for (const AttemptRecord& attempt : record.attempts)
        if (!attempt.reason.empty())
            text += " [" + attempt.upstream + " " + (attempt.status ? std::to_string(attempt.status) + " " : "") + std::string(attempt.reason) +
                    (attempt.detail.empty() ? "" : ": " + attempt.detail) + "]";
    if (record.stream_end == "length") text += " (" + std::string(length_hint) + ")";
    return text;
}

}  // namespace streamkeeper
