/// One function a verb. Each returns the exit code: 0 done, 1 failed, 2 wrongly called.
#pragma once

#include <string>

#include "streamkeeper/config.hpp"

namespace streamkeeper {

/// Prints the effective configuration, or every mistake as `file:line:column: message` on stderr.
/// `schema` and `reference` print the generated texts instead and read no file.
int run_check(const std::string& config_flag, bool schema, bool reference);

/// Reads the key of `UPSTREAM/NAME` without echo (or from a pipe), cleans it, stores it 0600, says how it goes live.
int run_key_set(const std::string& upstream_slash_name, const std::string& config_flag);

/// The daemon in the foreground, until SIGTERM. Without `quick.base_url` a configuration file is looked for.
int run_serve(const std::string& config_flag, const QuickStart& quick);

/// The whole product with no key and no internet. `stay` keeps it up until SIGINT.
int run_demo(bool stay);

/// Reads one raw HTTP response (`file`; empty or "-": stdin) and says what streamkeeper would do about it. `as_json`:
/// one line `{"class","reason","wait_s","hint"}`; a healthy answer has the class "none" and an empty reason. `now`:
/// seconds since 1970 instead of the clock; may be empty. 2: the input is no HTTP response.
int run_explain(const std::string& file, bool as_json, const std::string& now);

}  // namespace streamkeeper
