/// The log: one line a request, and what else is worth saying. The loop only ever appends to a bounded buffer; a thread
/// writes it. A stalled journal drops lines, and they are counted.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "streamkeeper/config.hpp"
#include "streamkeeper/record.hpp"

namespace streamkeeper {

class AccessLog {
public:
    /// Writes to standard error. `format: auto` is text on a terminal, else JSON.
    explicit AccessLog(Log settings);
    ~AccessLog();
    AccessLog(const AccessLog&) = delete;
    AccessLog& operator=(const AccessLog&) = delete;

    void settings(Log);
    void line(LogLevel, std::string_view message);
    void request(const Record&);
    std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

private:
    void append(LogLevel, std::string_view text);
    void write_loop();

    Log settings_;
    bool json_ = true, journal_ = false;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::string waiting_;
    bool stopping_ = false;
    std::uint64_t unsaid_drops_ = 0;
    std::atomic<std::uint64_t> dropped_{0};
    std::thread writer_;
};

/// The log line of a request. Also what `/-/status` keeps of it.
std::string record_as_json(const Record&);
std::string record_as_text(const Record&);

}  // namespace streamkeeper
