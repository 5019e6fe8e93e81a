// `streamkeeper serve`: the daemon in the foreground.
#include <sys/prctl.h>
#include <unistd.h>

#include <iostream>

#include "cli/verbs.hpp"
#include "ops/daemon.hpp"
#include "ops/notify.hpp"

namespace streamkeeper {

namespace {

LoadResult no_configuration() {
    return {nullptr,
            {{"", 0, 0,
              "no configuration: give --config FILE, or --upstream URL --key-file FILE, or write "
              "~/.config/streamkeeper/streamkeeper.yaml "
              "(etc/streamkeeper.yaml.example is a beginning); `streamkeeper demo` needs none"}}};
}

LoadResult load(const std::string& config_flag, const QuickStart& quick) {
    if (!quick.base_url.empty()) return quick_config(quick);
    const std::optional<std::filesystem::path> file = find_config(config_flag);
    return file ? load_config(*file) : no_configuration();
}

}  // namespace

int run_serve(const std::string& config_flag, const QuickStart& quick) {
    ::prctl(PR_SET_DUMPABLE, 0);  // no core dump, no ptrace: both would show keys
    const LoadResult loaded = load(config_flag, quick);
    if (!loaded.config) {
        for (const ConfigMistake& mistake : loaded.mistakes) std::cerr << "streamkeeper: " << mistake.text() << "\n";
        return 1;
    }
    std::string problem;
    {
        Daemon daemon(loaded.config, [config_flag, quick] { return load(config_flag, quick); });
        daemon.handle_signals();
        problem = daemon.start(inherited_sockets());
        if (problem.empty()) {
            daemon.run();
            daemon.finish_log();
            // Not a return: a name that is being resolved, or a key command, would hold the process until it has ended.
            ::_exit(0);
        }
    }
    std::cerr << "streamkeeper: " << problem << "\n";
    return 1;
}

}  // namespace streamkeeper
