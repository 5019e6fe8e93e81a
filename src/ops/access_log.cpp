#include "ops/access_log.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {

namespace {

constexpr std::size_t most_waiting = 1u << 20;
constexpr std::chrono::milliseconds gather{20};   ///< lines that come meanwhile go in one write
constexpr int stalled_for_ms = 1000;              ///< a journal that takes nothing for so long loses what waits

std::string timestamp() {
    const auto now = std::chrono::system_clock::now();
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    static std::time_t formatted = 0;  // the loop's thread alone formats
    static char text[32];
    if (seconds != formatted) {
        std::tm parts{};
        gmtime_r(&seconds, &parts);
        std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
        formatted = seconds;
    }
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
    const std::string digits = std::to_string(ms);
    return std::string(text) + "." + std::string(3 - digits.size(), '0') + digits + "Z";
}

std::string_view level_name(LogLevel level) {
    switch (level) {
        case LogLevel::error: return "error";
        case LogLevel::warning: return "warning";
        case LogLevel::info: return "info";
        case LogLevel::debug: return "debug";
    }
    return "info";
}

/// sd-daemon(3): a priority in front of a line that goes to the journal.
std::string_view priority(LogLevel level) {
    switch (level) {
        case LogLevel::error: return "<3>";
        case LogLevel::warning: return "<4>";
        case LogLevel::info: return "<6>";
        case LogLevel::debug: return "<7>";
    }
    return "<6>";
}

long ms_between(Record::Clock::time_point from, Record::Clock::time_point to) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count();
}

struct JsonLine {
    std::string text = "{";
    void raw(std::string_view name, std::string_view value) {
        if (text.size() > 1) text += ",";
        text.append("\"").append(name).append("\":").append(value);
    }
    void add(std::string_view name, std::string_view value) {
        if (!value.empty()) raw(name, json::quote(value));
    }
    void add(std::string_view name, long value) { raw(name, std::to_string(value)); }
};

std::string attempts_as_json(const Record& record) {
    std::string list = "[";
    for (const AttemptRecord& attempt : record.attempts) {
        JsonLine one;
        one.add("upstream", attempt.upstream);
        one.add("key", attempt.key);
        if (attempt.status) one.add("status", attempt.status);
        one.add("reason", attempt.reason);
        one.add("detail", attempt.detail);
        one.add("ms", static_cast<long>(attempt.took.count()));
        list += (list.size() > 1 ? "," : "") + one.text + "}";
    }
    return list + "]";
}

std::string tokens_as_json(const TokenCounts& tokens) {
    JsonLine one;
    one.add("input", tokens.input);
    if (tokens.cache_read) one.add("cache_read", tokens.cache_read);
    if (tokens.cache_write) one.add("cache_write", tokens.cache_write);
    one.add("output", tokens.output);
    if (tokens.reasoning) one.add("reasoning", tokens.reasoning);
    return one.text + "}";
}

constexpr std::string_view length_hint = "the answer was cut by its own limit: raise max_tokens";

}  // namespace

std::string record_as_json(const Record& record) {
    JsonLine line;
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
    if (record.usage.any()) line.raw("tokens", tokens_as_json(disjoint(record.usage)));
    line.add("bytes_in", static_cast<long>(record.bytes_in));
    line.add("bytes_out", static_cast<long>(record.bytes_out));
    line.add("vendor_request_id", record.vendor_request_id);
    line.raw("attempts", attempts_as_json(record));
    return line.text + "}";
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

AccessLog::AccessLog(Log settings) {
    journal_ = std::getenv("JOURNAL_STREAM") != nullptr;
    this->settings(settings);
    writer_ = std::thread([this] { write_loop(); });
}

AccessLog::~AccessLog() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    writer_.join();
}

void AccessLog::settings(Log settings) {
    settings_ = settings;
    json_ = settings.format == LogFormat::json || (settings.format == LogFormat::automatic && !isatty(STDERR_FILENO));
}

void AccessLog::line(LogLevel level, std::string_view message) {
    if (level > settings_.level) return;
    if (!json_) return append(level, timestamp() + " " + std::string(level_name(level)) + " " + std::string(message));
    append(level, R"({"time":")" + timestamp() + R"(","level":")" + std::string(level_name(level)) + R"(","message":)" + json::quote(message) + "}");
}

void AccessLog::request(const Record& record) {
    if (LogLevel::info > settings_.level) return;
    if (!json_) return append(LogLevel::info, timestamp() + " info " + record_as_text(record));
    append(LogLevel::info, R"({"time":")" + timestamp() + R"(","level":"info","request":)" + record_as_json(record) + "}");
}

void AccessLog::append(LogLevel level, std::string_view text) {
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        if (waiting_.size() + text.size() > most_waiting) {
            dropped_.fetch_add(1, std::memory_order_relaxed);
            ++unsaid_drops_;
            return;
        }
        wake = waiting_.empty();
        if (journal_) waiting_ += priority(level);
        waiting_.append(text);
        waiting_ += '\n';
    }
    if (wake) wake_.notify_one();
}

void AccessLog::write_loop() {
    std::string writing;
    for (bool stopping = false; !stopping;) {
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
            if (!stopping_) wake_.wait_for(lock, gather, [this] { return stopping_; });
            stopping = stopping_;
            writing.clear();
            writing.swap(waiting_);
            if (unsaid_drops_ > 0) writing += (journal_ ? "<4>" : "") + std::to_string(std::exchange(unsaid_drops_, 0)) + " log lines were dropped: the log took none\n";
        }
        for (std::string_view rest = writing; !rest.empty();) {
            pollfd ready{STDERR_FILENO, POLLOUT, 0};
            if (stopping && ::poll(&ready, 1, stalled_for_ms) <= 0) break;
            const ssize_t written = ::write(STDERR_FILENO, rest.data(), rest.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) {  // full disk, broken pipe: lost, and counted
                dropped_.fetch_add(1, std::memory_order_relaxed);
                break;
            }
            rest.remove_prefix(static_cast<std::size_t>(written));
        }
    }
}

}  // namespace streamkeeper
