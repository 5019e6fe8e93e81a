/// `streamkeeper mock`: the mock upstream alone, for users who test their own tools.
#pragma once

#include <string>

namespace streamkeeper {

/// Serves until SIGINT or SIGTERM, then returns 0. Prints where it listens as one line on stdout. On a mistake: one
/// line on stderr and 1. An empty `key` means the mock's own, well-known one, which is taken on loopback only; an empty
/// `listen` means 127.0.0.1 and a free port; an empty `record` records nothing; an empty `certificate` means plain
/// HTTP.
int run_mock(const std::string& listen, const std::string& key, const std::string& record,
             const std::string& certificate, const std::string& certificate_key);

}  // namespace streamkeeper
