#include "ops/access_log.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "ops/record_text.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {

namespace {

constexpr std::size_t most_waiting = 1u << 20, keep_capacity = 16u << 10;
constexpr std::chrono::milliseconds gather{50};  ///< lines that come meanwhile go in one write
constexpr int stalled_for_ms = 1000;  ///< how long the end of the process waits for a journal that takes nothing
constexpr int look_around_ms = 100;

/// `2026-11-21T09:42:00.123Z`, valid until the same thread's next call.
std::string_view timestamp() {
    const auto now = std::chrono::system_clock::now();
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    thread_local std::time_t formatted = 0;  // a second's text serves all its lines
    thread_local char text[32];
    if (seconds != formatted) {
        std::tm parts{};
        gmtime_r(&seconds, &parts);
        std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000Z", &parts);
        formatted = seconds;
    }
    const auto ms =
        static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000);
    text[20] = static_cast<char>('0' + ms / 100);
    text[21] = static_cast<char>('0' + ms / 10 % 10);
    text[22] = static_cast<char>('0' + ms % 10);
    return {text, 24};
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

/// Control characters, C1 included, would forge lines or steer the terminal that shows them.
std::string printable(std::string text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
        const bool c1 = byte == 0xc2 && next >= 0x80 && next < 0xa0;
        if (c1) text[i + 1] = '?';
        if (c1 || byte < 0x20 || byte == 0x7f) text[i] = '?';
    }
    return text;
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

}  // namespace

AccessLog::AccessLog(Log settings) {
    journal_ = std::getenv("JOURNAL_STREAM") != nullptr;
    this->settings(settings);
    writer_ = std::thread([this] { write_loop(); });
}

AccessLog::~AccessLog() { finish(); }

void AccessLog::finish() {
    if (!writer_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    writer_.join();
}

void AccessLog::settings(Log settings) {
    const std::lock_guard lock(mutex_);  // the writer's thread reads json_
    settings_ = settings;
    json_ = settings.format == LogFormat::json || (settings.format == LogFormat::automatic && !isatty(STDERR_FILENO));
}

void AccessLog::line(LogLevel level, std::string_view message) {
    if (level <= settings_.level) append(level, formatted(level, message));
}

void AccessLog::request(const Record& record, std::string_view as_json) {
    if (LogLevel::info > settings_.level) return;
    if (!json_) return append(LogLevel::info, std::string(timestamp()) + " info " + printable(record_as_text(record)));
    line_.assign(R"({"time":")")
        .append(timestamp())
        .append(R"(","level":"info","request":)")
        .append(as_json)
        .append("}");
    append(LogLevel::info, line_);
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

std::string AccessLog::formatted(LogLevel level, std::string_view message) const {
    if (!json_)
        return std::string(timestamp()) + " " + std::string(level_name(level)) + " " + printable(std::string(message));
    return R"({"time":")" + std::string(timestamp()) + R"(","level":")" + std::string(level_name(level)) +
           R"(","message":)" + json::quote(message) + "}";
}

/// False: nobody takes anything, and the process is to end.
bool AccessLog::wait_for_room() {
    for (int patience_ms = stalled_for_ms; patience_ms > 0;) {
        pollfd ready{STDERR_FILENO, POLLOUT, 0};
        if (::poll(&ready, 1, look_around_ms) > 0) return true;
        const std::lock_guard lock(mutex_);
        if (stopping_) patience_ms -= look_around_ms;
    }
    return false;
}

/// What could not be written. No write blocks: there is room for PIPE_BUF bytes once a pipe polls writable (pipe(7)).
std::string_view AccessLog::write_some(std::string_view rest) {
    while (!rest.empty() && wait_for_room()) {
        const ssize_t written = ::write(STDERR_FILENO, rest.data(), std::min<std::size_t>(rest.size(), PIPE_BUF));
        if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (written < 0) break;  // full disk, broken pipe
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
    return rest;
}

void AccessLog::write_loop() {
    std::string writing;
    for (bool stopping = false; !stopping;) {
        std::uint64_t said = 0;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
            if (!stopping_) wake_.wait_for(lock, gather, [this] { return stopping_; });
            stopping = stopping_;
            writing.clear();
            said = std::exchange(unsaid_drops_, 0);
            if (said > 0) {
                if (journal_) writing += priority(LogLevel::warning);
                writing +=
                    formatted(LogLevel::warning, std::to_string(said) + " log lines were dropped: the log took none") +
                    "\n";
            }
            writing += waiting_;
            waiting_.clear();
            if (waiting_.capacity() > keep_capacity) std::string().swap(waiting_);  // `= {}` would keep it
        }
        const std::string_view lost = write_some(writing);
        if (lost.empty() && writing.capacity() > keep_capacity) std::string().swap(writing);
        if (lost.empty()) continue;
        const auto lines = static_cast<std::uint64_t>(std::count(lost.begin(), lost.end(), '\n'));
        const bool notice_lost = said > 0 && lost.size() == writing.size();
        const std::lock_guard lock(mutex_);
        dropped_.fetch_add(lines - (notice_lost ? 1 : 0), std::memory_order_relaxed);
        unsaid_drops_ += lines + (notice_lost ? said - 1 : 0);
    }
}

}  // namespace streamkeeper
