/// What is wrong with a command line, in one line with a suggestion: the library names neither an unknown verb nor a
/// neighbour of it.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace streamkeeper {

/// About the first word that is no verb or flag where it stands; empty if all are known (then something else is wrong).
std::string unknown_word(const CLI::App&, int argc, const char* const* argv);

}  // namespace streamkeeper
