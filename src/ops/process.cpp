#include "ops/process.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace streamkeeper {

namespace {

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

int open_descriptors() {
    DIR* const directory = ::opendir("/proc/self/fd");
    if (!directory) return 0;
    int count = -3;  // ".", ".." and the directory itself
    while (::readdir(directory)) ++count;
    ::closedir(directory);
    return count;
}

}  // namespace

ProcessMetrics::ProcessMetrics(prometheus::Registry& registry)
    : cpu_(prometheus::BuildCounter()
               .Name("process_cpu_seconds_total")
               .Help("User and system CPU time.")
               .Register(registry)
               .Add({})),
      resident_(gauge(registry, "process_resident_memory_bytes", "Resident memory size.")),
      virtual_(gauge(registry, "process_virtual_memory_bytes", "Virtual memory size.")),
      open_fds_(gauge(registry, "process_open_fds", "Open file descriptors.")),
      max_fds_(gauge(registry, "process_max_fds", "Most file descriptors that may be open.")),
      start_(gauge(registry, "process_start_time_seconds", "Start time since the Unix epoch.")) {
    start_.Set(now());  // made at start; the unit hides /proc/stat, from which it could be read
}

void ProcessMetrics::update() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto time = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    const double cpu = time(used.ru_utime) + time(used.ru_stime);
    if (cpu > cpu_.Value()) cpu_.Increment(cpu - cpu_.Value());
    if (std::FILE* const file = std::fopen("/proc/self/statm", "r")) {
        long pages = 0, resident = 0;
        if (std::fscanf(file, "%ld %ld", &pages, &resident) == 2) {
            const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
            virtual_.Set(static_cast<double>(pages) * page);
            resident_.Set(static_cast<double>(resident) * page);
        }
        std::fclose(file);
    }
    open_fds_.Set(open_descriptors());
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) max_fds_.Set(static_cast<double>(limit.rlim_cur));
}

}  // namespace streamkeeper
