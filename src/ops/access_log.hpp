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
    /// Writes what waits, and ends the writer; later lines are dropped. The destructor does it too.
    void finish();
    void line(LogLevel, std::string_view message);
    /// `as_json` is `append_json`'s text of the record: it is kept elsewhere too, and made once.
    void request(const Record&, std::string_view as_json);
    std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

private:
    void append(LogLevel, std::string_view text);
    std::string formatted(LogLevel, std::string_view message) const;
    void write_loop();
    std::string_view write_some(std::string_view rest);
    bool wait_for_room();

    Log settings_;
    bool json_ = true, journal_ = false;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::string waiting_;
    std::string line_;  ///< the loop's: storage that is used again
    bool stopping_ = false;
    std::uint64_t unsaid_drops_ = 0;
    std::atomic<std::uint64_t> dropped_{0};
    std::thread writer_;
};

}  // namespace streamkeeper
