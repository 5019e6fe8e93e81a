/// The metrics before and after, as a table of what moved.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace streamkeeper::demo {

class Voice;
using Wanted = std::vector<std::pair<std::string, std::string>>;

/// The sum of all series of this name that carry these labels, in Prometheus text.
double sum(const std::string& metrics, const std::string& name, const Wanted& labels);

void show_moved(Voice&, const std::string& before, const std::string& after);

/// Throws Failure unless each step left its mark.
void check_moved(const std::string& after);

}  // namespace streamkeeper::demo
