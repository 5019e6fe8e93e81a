/// The daemon as people see it: a server with its log, metrics and own pages, reload and shutdown.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "ops/access_log.hpp"
#include "ops/metrics.hpp"
#include "ops/text.hpp"
#include "streamkeeper/server.hpp"

namespace streamkeeper {

class Daemon {
public:
    /// `reload` reads the configuration anew; empty: SIGHUP has nothing to read.
    Daemon(std::shared_ptr<const Config>, std::function<LoadResult()> reload);
    ~Daemon();

    /// Empty, or why it can't be started. Nothing is left half-started.
    std::string start(const std::vector<int>& inherited);
    /// SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reloads.
    void handle_signals();
    void run() { server_.run(); }
    /// The log's last lines are out; the process may end without more ado.
    void finish_log() { log_.finish(); }
    Server& server() { return server_; }

private:
    Page page(http::Surface);
    Page status_page() const;
    void record(const Record&);
    void reload();
    void adopt(const LoadResult&);
    void terminate();

    AccessLog log_;
    MetricsRegistry metrics_;
    Server server_;
    std::function<LoadResult()> load_;
    std::thread loading_;
    std::array<Text, 100> recent_;  ///< the last requests, as JSON
    std::size_t recorded_ = 0;      ///< requests so far; the next one's place in the ring
    std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
    bool terminating_ = false, last_reload_well_ = true, reload_running_ = false;
};

}  // namespace streamkeeper
