/// The standard `process_*` metrics (Prometheus, "Writing client libraries"), read from /proc/self.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace streamkeeper {

class ProcessMetrics {
public:
    explicit ProcessMetrics(prometheus::Registry&);
    void update();

private:
    prometheus::Counter& cpu_;
    prometheus::Gauge &resident_, &virtual_, &open_fds_, &max_fds_, &start_;
};

}  // namespace streamkeeper
