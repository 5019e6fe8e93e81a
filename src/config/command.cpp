// run_command: how a password manager hands over a key.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "key_source.hpp"
#include "secrets.hpp"

namespace streamkeeper::configuration {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t longest_output = 64 * 1024;

int remaining(Clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return left > 0 ? static_cast<int>(left) : 0;
}

/// The child starts with a clean signal state: ours may be blocked, or ignored as SIGPIPE is.
/// It stays in our process group, so that a passphrase prompt may still read the terminal.
int spawn(std::span<const std::string> words, int output, pid_t& child) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, output, 1);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::vector<char*> arguments;
    // execve(2) takes `char* const[]` for the sake of C and changes nothing.
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const int error = ::posix_spawnp(&child, arguments[0], &actions, &attributes, arguments.data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    return error;
}

/// False when the time is over.
bool read_all(int input, Clock::time_point deadline, std::string& text) {
    std::array<char, 4096> bytes{};
    text.reserve(longest_output + bytes.size());
    while (text.size() <= longest_output) {
        pollfd wait{input, POLLIN, 0};
        const int ready = ::poll(&wait, 1, remaining(deadline));
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return false;
        const ssize_t count = ::read(input, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        text.append(bytes.data(), static_cast<std::size_t>(count));
    }
    ::explicit_bzero(bytes.data(), bytes.size());
    return true;
}

/// The exit status, or none when the time is over. A program may close its output and linger.
std::optional<int> await(pid_t child, Clock::time_point deadline) {
    int status = 0;
    while (true) {
        const pid_t ended = ::waitpid(child, &status, WNOHANG);
        if (ended == child) return status;
        if (ended < 0 && errno != EINTR) return 0;  // somebody else reaped it; the output has to speak for itself
        if (remaining(deadline) == 0) return std::nullopt;
        ::poll(nullptr, 0, 5);
    }
}

std::string verdict(std::optional<int> status, const CommandOutput& output) {
    if (output.text.size() > longest_output)
        return "printed more than 64 KiB, so it is no key";  // its end is then our doing
    if (!status) return "did not end in time and was stopped";
    if (WIFSIGNALED(*status)) return "was ended by signal " + std::to_string(WTERMSIG(*status));
    if (WEXITSTATUS(*status) == 127) return "could not be started (exit code 127)";
    if (WEXITSTATUS(*status) != 0) return "failed with exit code " + std::to_string(WEXITSTATUS(*status));
    return {};
}

}  // namespace

CommandOutput run_command(std::span<const std::string> words, std::chrono::milliseconds limit) {
    CommandOutput output;
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {{}, std::string("has no pipe: ") + std::strerror(errno)};
    pid_t child = 0;
    const Clock::time_point deadline = Clock::now() + limit;
    const int error = spawn(words, ends[1], child);
    ::close(ends[1]);
    if (error != 0) {
        ::close(ends[0]);
        return {{}, std::string("could not be started: ") + std::strerror(error)};
    }
    const bool in_time = read_all(ends[0], deadline, output.text);
    ::close(ends[0]);
    std::optional<int> status = in_time ? await(child, deadline) : std::nullopt;
    if (!status) {
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
    }
    output.problem = verdict(status, output);
    if (!output.problem.empty()) cleanse(output.text);
    return output;
}

}  // namespace streamkeeper::configuration
