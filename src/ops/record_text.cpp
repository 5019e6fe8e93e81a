#include "ops/record_text.hpp"

#include <algorithm>

#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {

namespace {

long ms_between(Record::Clock::time_point from, Record::Clock::time_point to) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count();
}

bool plain(std::string_view value) {
    bool special = false;
    for (const char c : value) special |= static_cast<unsigned char>(c - 0x20) >= 0x5f || c == '"' || c == '\\';
    return !special;
}

/// The members of one object. `name` comes with its quotes and colon: `"id":`.
class Members {
public:
    explicit Members(Text& out) : out_(out) {}
    Text& begin(std::string_view name) {
        out_.put(first_ ? '{' : ',');
        first_ = false;
        out_.put(name);
        return out_;
    }
    void add(std::string_view name, std::string_view value) {
        if (value.empty()) return;
        begin(name);
        if (!plain(value)) return out_.put(json::quote(value));
        out_.put('"');
        out_.put(value);
        out_.put('"');
    }
    void add(std::string_view name, std::int64_t value) { begin(name).put_number(value); }
    void end() { out_.put(first_ ? std::string_view("{}") : std::string_view("}")); }

private:
    Text& out_;
    bool first_ = true;
};

void append_attempts(Text& out, const Record& record) {
    out.put('[');
    for (const AttemptRecord& attempt : record.attempts) {
        if (&attempt != &record.attempts.front()) out.put(',');
        Members one(out);
        one.add("\"upstream\":", attempt.upstream);
        one.add("\"key\":", attempt.key);
        if (attempt.model != record.model) one.add("\"model\":", attempt.model);
        if (attempt.status) one.add("\"status\":", attempt.status);
        one.add("\"reason\":", attempt.reason);
        one.add("\"detail\":", attempt.detail);
        one.add("\"ms\":", attempt.took.count());
        one.end();
    }
    out.put(']');
}

void append_tokens(Text& out, const TokenCounts& tokens) {
    Members one(out);
    one.add("\"input\":", tokens.input);
    if (tokens.cache_read) one.add("\"cache_read\":", tokens.cache_read);
    if (tokens.cache_write) one.add("\"cache_write\":", tokens.cache_write);
    one.add("\"output\":", tokens.output);
    if (tokens.reasoning) one.add("\"reasoning\":", tokens.reasoning);
    one.end();
}

void append_waits(Text& out, const Record& record) {
    out.put('[');
    for (const WaitRecord& wait : record.waits) {
        if (&wait != &record.waits.front()) out.put(',');
        Members one(out);
        one.add("\"upstream\":", wait.upstream);
        one.add("\"cause\":", wait.cause);
        one.add("\"ms\":", wait.took.count());
        one.end();
    }
    out.put(']');
}

void append_resumes(Text& out, const Record& record) {
    out.put('[');
    for (const ResumeRecord& resume : record.resumes) {
        if (&resume != &record.resumes.front()) out.put(',');
        Members one(out);
        one.add("\"strategy\":", resume.strategy);
        one.add("\"outcome\":", resume.outcome);
        one.add("\"cause\":", resume.cause);
        one.add("\"position\":", static_cast<std::int64_t>(resume.position));
        if (resume.gap)
            one.add("\"gap_ms\":", std::chrono::duration_cast<std::chrono::milliseconds>(*resume.gap).count());
        one.end();
    }
    out.put(']');
}

/// What was billed: every call counts.
TokenCounts billed(const Record& record) {
    TokenCounts sum;
    const auto add = [&sum](const Usage& usage) {
        const TokenCounts one = disjoint(usage);
        sum.input += one.input;
        sum.cache_read += one.cache_read;
        sum.cache_write += one.cache_write;
        sum.output += one.output;
        sum.reasoning += one.reasoning;
    };
    for (const AttemptRecord& attempt : record.attempts) add(attempt.usage);
    for (const ProbeRecord& probe : record.probes) add(probe.usage);
    return sum;
}

bool any_usage(const Record& record) {
    const auto said = [](const auto& call) { return call.usage.any(); };
    return std::any_of(record.attempts.begin(), record.attempts.end(), said) ||
           std::any_of(record.probes.begin(), record.probes.end(), said);
}

constexpr std::string_view length_hint = "the answer was cut by its own limit: raise max_tokens";

}  // namespace

void append_json(Text& out, const Record& record) {
    Members line(out);
    line.add("\"id\":", record.id);
    line.add("\"client\":", record.client);
    line.add("\"method\":", record.method);
    line.add("\"endpoint\":", endpoint_label(record.endpoint));
    if (record.endpoint == Endpoint::other) line.add("\"path\":", record.path);
    line.add("\"model_asked\":", record.model_asked);
    line.add("\"model\":", record.model);
    line.add("\"upstream\":", record.upstream);
    line.add("\"key\":", record.key);
    line.add("\"fallback\":", record.fallback);
    if (record.resend) line.add("\"resend\":", 1);
    line.add("\"status\":", record.status);
    line.add("\"outcome\":", ending_label(record.ending));
    line.add("\"code\":", record.code);
    line.add("\"end\":", record.stream_end);
    if (record.stream_end == "length") line.add("\"hint\":", length_hint);
    if (record.first_output != Record::Clock::time_point{})
        line.add("\"ttft_ms\":", ms_between(record.began, record.first_output));
    line.add("\"ms\":", ms_between(record.began, record.ended));
    if (any_usage(record)) append_tokens(line.begin("\"tokens\":"), billed(record));
    line.add("\"bytes_in\":", static_cast<std::int64_t>(record.bytes_in));
    line.add("\"bytes_out\":", static_cast<std::int64_t>(record.bytes_out));
    line.add("\"vendor_request_id\":", record.vendor_request_id);
    if (!record.waits.empty()) append_waits(line.begin("\"waits\":"), record);
    if (!record.resumes.empty()) append_resumes(line.begin("\"resumes\":"), record);
    line.add("\"not_resumed\":", record.not_resumed);
    append_attempts(line.begin("\"attempts\":"), record);
    line.end();
}

std::string record_as_text(const Record& record) {
    std::string text = record.id + " ";
    if (!record.client.empty()) text += record.client + " ";
    text += record.method + " " +
            std::string(record.endpoint == Endpoint::other ? record.path : endpoint_label(record.endpoint));
    if (!record.model.empty())
        text += " " + (record.model_asked == record.model ? "" : record.model_asked + " -> ") + record.model;
    if (!record.upstream.empty()) text += " @" + record.upstream;
    if (!record.fallback.empty()) text += " fallback=" + std::string(record.fallback);
    text += " " + std::to_string(record.status) + " " + std::string(ending_label(record.ending));
    if (!record.code.empty()) text += " " + record.code;
    if (!record.stream_end.empty()) text += " end=" + record.stream_end;
    if (record.first_output != Record::Clock::time_point{})
        text += " ttft=" + std::to_string(ms_between(record.began, record.first_output)) + "ms";
    text += " " + std::to_string(ms_between(record.began, record.ended)) + "ms";
    if (any_usage(record)) {
        const TokenCounts tokens = billed(record);
        text += " tokens=" + std::to_string(tokens.input + tokens.cache_read + tokens.cache_write) + "+" +
                std::to_string(tokens.output + tokens.reasoning);
    }
    for (const WaitRecord& wait : record.waits)
        text += " waited " + std::to_string(wait.took.count()) + "ms (" + std::string(wait.cause) + ")";
    for (const ResumeRecord& resume : record.resumes)
        text += " resumed (" + std::string(resume.strategy) + " at " + std::to_string(resume.position) +
                " bytes: " + std::string(resume.outcome) + ")";
    if (!record.not_resumed.empty()) text += " not resumed (" + record.not_resumed + ")";
    for (const AttemptRecord& attempt : record.attempts)
        if (!attempt.reason.empty())
            text += " [" + attempt.upstream + " " + (attempt.status ? std::to_string(attempt.status) + " " : "") +
                    std::string(attempt.reason) + (attempt.detail.empty() ? "" : ": " + attempt.detail) + "]";
    if (record.stream_end == "length") text += " (" + std::string(length_hint) + ")";
    return text;
}

}  // namespace streamkeeper
