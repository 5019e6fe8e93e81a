#include "key_entry.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace streamkeeper {
namespace {

constexpr std::size_t longest_entry = 64 * 1024;

termios shown_terminal{};  ///< what a signal has to restore; a handler reaches nothing else

extern "C" void restore_and_end(int signal_number) {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown_terminal);
    ::signal(signal_number, SIG_DFL);
    ::raise(signal_number);
}

/// No echo while it lives. Ctrl-C and the like restore the terminal first; Ctrl-Z is off, since a shell would then
/// get a terminal that shows nothing.
class SilentTerminal {
public:
    SilentTerminal() {
        ::tcgetattr(STDIN_FILENO, &shown_terminal);
        struct sigaction action{};
        action.sa_handler = restore_and_end;
        for (std::size_t i = 0; i < ending.size(); ++i) ::sigaction(ending[i], &action, &before_[i]);
        termios silent = shown_terminal;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        silent.c_cc[VSUSP] = _POSIX_VDISABLE;
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    SilentTerminal(const SilentTerminal&) = delete;
    SilentTerminal& operator=(const SilentTerminal&) = delete;
    ~SilentTerminal() {
        // TCSAFLUSH also throws away what was pasted too much: it must not become shell commands.
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown_terminal);
        for (std::size_t i = 0; i < ending.size(); ++i) ::sigaction(ending[i], &before_[i], nullptr);
    }

private:
    static constexpr std::array<int, 4> ending{SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    std::array<struct sigaction, 4> before_{};
};

/// One read; false at the end of the input or on an error.
bool read_some(std::string& text) {
    std::array<char, 4096> bytes{};
    ssize_t count = 0;
    do {
        count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    } while (count < 0 && errno == EINTR);
    if (count > 0) text.append(bytes.data(), static_cast<std::size_t>(count));
    ::explicit_bzero(bytes.data(), bytes.size());
    return count > 0;
}

/// A terminal hands over one line a read. A second line of the same paste follows at once.
KeyEntry read_terminal(const std::string& prompt) {
    KeyEntry entry;
    entry.text.reserve(longest_entry + 8192);
    const SilentTerminal silence;
    const std::string shown = prompt + " (nothing is shown): ";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, shown.data(), shown.size());
    read_some(entry.text);
    pollfd more{STDIN_FILENO, POLLIN, 0};
    while (entry.text.size() <= longest_entry && ::poll(&more, 1, 100) == 1 && read_some(entry.text)) {
    }
    [[maybe_unused]] const ssize_t ended = ::write(STDERR_FILENO, "\n", 1);
    return entry;
}

std::string problem_with(const std::string& what) { return what + ": " + ::strerror(errno); }

/// What is missing is made for the owner alone; only /etc/streamkeeper itself is open, because the packaged unit's user
/// reads the configuration in it.
std::string make_directory(const std::filesystem::path& directory) {
    std::filesystem::path made;
    for (const auto& part : directory) {
        made /= part;
        const mode_t mode = made == "/etc/streamkeeper" ? 0755 : 0700;
        std::error_code error;
        if (std::filesystem::is_directory(made, error)) continue;
        if (::mkdir(made.c_str(), mode) != 0 && errno != EEXIST) return problem_with(made.string());
    }
    return {};
}

bool write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::write(descriptor, text.data(), text.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return ::fsync(descriptor) == 0;
}

}  // namespace

KeyEntry read_key_entry(const std::string& prompt) {
    KeyEntry entry;
    if (::isatty(STDIN_FILENO) == 1) {
        entry = read_terminal(prompt);
    } else {
        entry.text.reserve(longest_entry + 8192);
        while (entry.text.size() <= longest_entry && read_some(entry.text)) {
        }
    }
    if (entry.text.size() > longest_entry) entry.problem = "is longer than 64 KiB";
    return entry;
}

std::filesystem::path key_directory() {
    if (::geteuid() == 0) return "/etc/streamkeeper/keys";
    const char* xdg = std::getenv("XDG_CONFIG_HOME");
    if (xdg != nullptr && *xdg == '/') return std::filesystem::path(xdg) / "streamkeeper/keys";
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home != '/') return {};
    return std::filesystem::path(home) / ".config/streamkeeper/keys";
}

std::string store_key(const std::filesystem::path& directory, const std::string& name, std::string_view key) {
    if (std::string problem = make_directory(directory); !problem.empty()) return problem;
    const std::string target = (directory / name).string();
    // mkostemp creates with 0600. The dot keeps LoadCredential= of the directory from taking a leftover for a key.
    std::string draft = (directory / ("." + name + ".XXXXXX")).string();
    const int descriptor = ::mkostemp(draft.data(), O_CLOEXEC);
    if (descriptor < 0) return problem_with(directory.string());
    const bool written = write_all(descriptor, key) && write_all(descriptor, "\n");
    const std::string problem = written ? std::string() : problem_with(draft);
    ::close(descriptor);
    if (written && ::rename(draft.c_str(), target.c_str()) == 0) return {};
    const std::string why = written ? problem_with(target) : problem;
    ::unlink(draft.c_str());
    return why;
}

}  // namespace streamkeeper
