#include "ops/daemon.hpp"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "ops/notify.hpp"
#include "ops/record_text.hpp"
#include "ops/status_json.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {

namespace {

ServerHooks hooks_of(Daemon*, std::function<Page(http::Surface)> page, std::function<void(const Record&)> record,
                     AccessLog& log, MetricsRegistry& metrics) {
    ServerHooks hooks;
    hooks.page = std::move(page);
    hooks.record = std::move(record);
    hooks.log = [&log](LogLevel level, std::string_view line) { log.line(level, line); };
    hooks.loop_lag = [&metrics](double seconds) { metrics.loop_lag(seconds); };
    return hooks;
}

bool usable(const ServerSnapshot& now) {
    return std::any_of(now.upstreams.begin(), now.upstreams.end(), [](const UpstreamSnapshot& upstream) {
        return upstream.keys.empty() || std::any_of(upstream.keys.begin(), upstream.keys.end(),
                                                    [](const auto& key) { return key.state == KeyState::usable; });
    });
}

std::string quoted_list(const std::vector<std::string>& texts) {
    std::string list = "[";
    for (const std::string& text : texts) list += (list.size() > 1 ? "," : "") + json::quote(text);
    return list + "]";
}

long long monotonic_microseconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<long long>(now.tv_sec) * 1000000 + now.tv_nsec / 1000;
}

}  // namespace

Daemon::Daemon(std::shared_ptr<const Config> config, std::function<LoadResult()> load)
    : log_(config->log),
      server_(config, hooks_of(
                          this, [this](http::Surface surface) { return page(surface); },
                          [this](const Record& one) { record(one); }, log_, metrics_)),
      load_(std::move(load)) {
    metrics_.config_reloaded(true);
}

Daemon::~Daemon() {
    if (loading_.joinable()) loading_.join();
}

std::string Daemon::start(const std::vector<int>& inherited) {
    if (std::string problem = server_.listen(inherited); !problem.empty()) return problem;
    const std::shared_ptr<const Config> config = server_.config();
    for (const std::string& note : config->notes) log_.line(LogLevel::info, note);
    for (const std::string& address : server_.addresses()) log_.line(LogLevel::info, "listening on " + address);
    notify_systemd("READY=1\nSTATUS=serving " + std::to_string(config->upstreams.size()) + " upstream(s)");
    if (const auto interval = watchdog_interval()) server_.every(*interval, [] { notify_systemd("WATCHDOG=1"); });
    return {};
}

void Daemon::handle_signals() {
    server_.on_signal(SIGTERM, [this] { terminate(); });
    server_.on_signal(SIGINT, [this] { terminate(); });
    server_.on_signal(SIGHUP, [this] { reload(); });
    ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
}

void Daemon::terminate() {
    if (terminating_) {
        log_.line(LogLevel::warning, "stopping at once: a second signal came");
        server_.stop();
        return;
    }
    terminating_ = true;
    const std::size_t open = server_.snapshot().in_flight;
    log_.line(LogLevel::info,
              "stopping: no new connections; " + std::to_string(open) + " request(s) under way may end");
    notify_systemd("STOPPING=1\nSTATUS=draining " + std::to_string(open) + " request(s)");
    server_.drain();
}

void Daemon::reload() {
    if (!load_ || reload_running_) return;
    reload_running_ = true;
    notify_systemd("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_microseconds()));
    if (loading_.joinable()) loading_.join();
    // Key commands may take long; streams go on meanwhile.
    loading_ = std::thread([this] {
        LoadResult result = load_();
        server_.post([this, result = std::move(result)] { adopt(result); });
    });
}

void Daemon::adopt(const LoadResult& result) {
    reload_running_ = false;
    last_reload_well_ = false;
    if (result.config) {
        const std::string problem = server_.reconfigure(result.config);
        last_reload_well_ = problem.empty();
        if (!problem.empty())
            log_.line(LogLevel::error, "the configuration can't be taken, the last good one stays: " + problem);
    }
    for (const ConfigMistake& mistake : result.mistakes) log_.line(LogLevel::error, "reload: " + mistake.text());
    if (last_reload_well_) {
        log_.settings(result.config->log);
        for (const std::string& note : result.config->notes) log_.line(LogLevel::info, note);
        log_.line(LogLevel::info, "the configuration was reloaded");
    } else if (!result.config) {
        log_.line(LogLevel::error, "the configuration has mistakes, the last good one stays");
    }
    metrics_.config_reloaded(last_reload_well_);
    notify_systemd(last_reload_well_ ? "READY=1\nSTATUS=reloaded"
                                     : "READY=1\nSTATUS=the last reload failed; the log says why");
}

void Daemon::record(const Record& one) {
    metrics_.record(one);
    // A ring: the oldest one's storage is used again.
    Text& text = recent_[recorded_++ % recent_.size()];
    text.clear();
    append_json(text, one);
    log_.request(one, text.view());
}

Page Daemon::page(http::Surface surface) {
    const std::shared_ptr<const Config> config = server_.config();
    switch (surface) {
        case http::Surface::metrics:
            return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_.text(server_.snapshot())};
        case http::Surface::healthz: return {200, "text/plain; charset=utf-8", "ok\n"};
        case http::Surface::readyz:
            if (usable(server_.snapshot())) return {200, "text/plain; charset=utf-8", "ready\n"};
            return {503, "text/plain; charset=utf-8", "not ready: no upstream has a usable key\n"};
        case http::Surface::status: return status_page();
        default: return {404, "text/plain; charset=utf-8", "nothing here\n"};
    }
}

Page Daemon::status_page() const {
    const std::shared_ptr<const Config> config = server_.config();
    const ServerSnapshot now = server_.snapshot();
    const auto uptime =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now() - started_).count();
    std::string text = R"({"version":")" STREAMKEEPER_VERSION R"(","uptime_seconds":)" + std::to_string(uptime);
    text += R"(,"configuration":{"file":)" + json::quote(config->file.string()) + R"(,"last_reload_successful":)" +
            (last_reload_well_ ? "true" : "false") + "}";
    text += R"(,"draining":)" + std::string(now.draining ? "true" : "false");
    text += R"(,"listening":)" + quoted_list(server_.addresses());
    text += R"(,"connections":)" + std::to_string(now.sessions) + R"(,"requests_in_flight":)" +
            std::to_string(now.in_flight);
    text += R"(,"memory_budget":{"total":)" + std::to_string(now.memory) + R"(,"bodies":)" +
            std::to_string(now.bodies) + "}";
    text += R"(,"log_lines_dropped":)" + std::to_string(log_.dropped()) + R"(,"upstreams":[)";
    for (const UpstreamSnapshot& upstream : now.upstreams)
        text += (&upstream == &now.upstreams.front() ? "" : ",") + upstream_json(upstream);
    text += R"(],"recent":[)";
    const std::size_t kept = std::min(recorded_, recent_.size());
    for (std::size_t i = 1; i <= kept; ++i)
        text.append(i == 1 ? "" : ",").append(recent_[(recorded_ - i) % recent_.size()].view());
    return {200, "application/json", text + "]}\n"};
}

}  // namespace streamkeeper
