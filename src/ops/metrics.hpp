/// The metrics of contract section 6, as Prometheus text.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "streamkeeper/record.hpp"
#include "streamkeeper/server.hpp"

namespace streamkeeper {

class MetricsRegistry {
public:
    MetricsRegistry();
    ~MetricsRegistry();

    void record(const Record&);
    void loop_lag(double seconds);
    void config_reloaded(bool well);
    /// Gauges come from the snapshot at the moment of the scrape.
    std::string text(const ServerSnapshot&);

private:
    struct Families;
    std::unique_ptr<Families> families_;
};

}  // namespace streamkeeper
