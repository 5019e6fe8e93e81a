#include "cli/verbs.hpp"
namespace streamkeeper {
int run_demo(bool) { return 1; }
}  // namespace streamkeeper
