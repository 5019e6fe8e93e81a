/// The rows of the table about policy: pacing, chains of models, retries, what a stream's client sees meanwhile.
#pragma once

#include <vector>

#include "schema.hpp"

namespace streamkeeper::configuration {

std::vector<Entry> pacing_rows();  ///< `upstreams.NAME.*`
std::vector<Entry> model_rows();
std::vector<Entry> retry_rows();
std::vector<Entry> stream_rows();

}  // namespace streamkeeper::configuration
