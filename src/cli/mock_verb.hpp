/// `streamkeeper mock`: the mock upstream alone, for users who test their own tools.
#pragma once

#include <string>
#include <vector>

namespace streamkeeper {

struct MockFlags {
    std::string listen;             ///< empty: 127.0.0.1 and a free port
    std::vector<std::string> keys;  ///< empty: the script's, else the mock's own, well-known one, on loopback only
    std::string script, record;     ///< files; empty: none
    bool record_tokens = false;     ///< in `record`: when each token went out
    std::vector<std::string> limits;
    std::string certificate, certificate_key;  ///< empty: plain HTTP
};

/// Serves until SIGINT or SIGTERM, then returns 0. Prints where it listens as one line on stdout. On a mistake: a line
/// on stderr (one for each mistake of a script) and 1.
int run_mock(const MockFlags&);

}  // namespace streamkeeper
