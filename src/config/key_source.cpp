#include "key_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "secrets.hpp"
#include "values.hpp"

namespace streamkeeper::configuration {
namespace {

constexpr std::size_t longest_file = 64 * 1024;

class File {
public:
    explicit File(const std::string& path)
        // O_NONBLOCK: opening a FIFO by mistake must not hang the start.
        : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    int descriptor() const { return descriptor_; }

private:
    int descriptor_;
};

/// Judged on the open file, so that nobody swaps it between the look and the read.
std::string privacy_problem(const std::string& path, const struct stat& facts) {
    if ((facts.st_mode & 077) != 0) {
        return "can be reached by group or others; run `chmod 600 " + path + "`";
    }
    if (facts.st_uid != ::geteuid() && facts.st_uid != 0) {
        return "belongs to user id " + std::to_string(facts.st_uid) + "; its owner must be this user or root";
    }
    return {};
}

std::string read_file(const std::string& path, bool must_be_private, std::string& text) {
    const File file(path);
    struct stat facts{};
    if (file.descriptor() < 0 || ::fstat(file.descriptor(), &facts) != 0) {
        return std::string("cannot be read: ") + std::strerror(errno);
    }
    if (!S_ISREG(facts.st_mode)) return "is no regular file";
    if (must_be_private) {
        if (std::string problem = privacy_problem(path, facts); !problem.empty()) return problem;
    }
    // One byte more than allowed tells a file that is too long. No later growth may leave copies behind.
    text.resize(longest_file + 1);
    std::size_t length = 0;
    while (length < text.size()) {
        const ssize_t count = ::read(file.descriptor(), text.data() + length, text.size() - length);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return std::string("cannot be read: ") + std::strerror(errno);
        if (count == 0) break;
        length += static_cast<std::size_t>(count);
    }
    if (length > longest_file) return "is longer than 64 KiB, so it is no key";
    text.resize(length);
    return {};
}

/// LoadCredential= of a directory makes ids of the form `DIRECTORY_FILE` (systemd.exec(5)), hence `keys_ID`.
std::string read_credential(const std::string& id, std::string& text) {
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (directory == nullptr || *directory == '\0') {
        return "needs systemd's $CREDENTIALS_DIRECTORY, which is not set; outside of systemd use `file:`";
    }
    const std::string folder = std::string(directory) + '/';
    const std::string plain = read_file(folder + id, false, text);
    if (plain.empty()) return {};
    if (read_file(folder + "keys_" + id, false, text).empty()) return {};
    return "is neither `" + id + "` nor `keys_" + id + "` in $CREDENTIALS_DIRECTORY (" + directory + "): " + plain;
}

std::string read_environment(const std::string& name, std::string& text) {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return "is not set in the environment of this process";
    text = value;
    return {};
}

std::string read_command(std::vector<std::string> words, const std::filesystem::path& base, std::string& text) {
    // A program named with a slash is a file name, and file names are relative to the configuration.
    if (words.front().find('/') != std::string::npos) words.front() = (base / words.front()).string();
    CommandOutput output = run_command(words, std::chrono::seconds(30));
    text = std::move(output.text);
    return output.problem;
}

std::string read_raw(const SecretSource& source, const std::filesystem::path& base, std::string& text) {
    switch (source.kind) {
        case SecretSource::Kind::file: return read_file(source.words.front(), true, text);
        case SecretSource::Kind::credential: return read_credential(source.words.front(), text);
        case SecretSource::Kind::env: return read_environment(source.words.front(), text);
        case SecretSource::Kind::command: return read_command(source.words, base, text);
    }
    return "is of no known kind";
}

}  // namespace

std::string described(const SecretSource& source) {
    const std::string first = source.words.empty() ? std::string() : source.words.front();
    switch (source.kind) {
        case SecretSource::Kind::file: return "file " + first;
        case SecretSource::Kind::credential: return "credential " + first;
        case SecretSource::Kind::env: return "$" + first;
        case SecretSource::Kind::command: return "command " + first;
    }
    return first;
}

SecretReading read_secret(const SecretSource& source, const std::filesystem::path& base) {
    SecretReading result;
    std::string text;
    result.problem = read_raw(source, base, text);
    if (result.problem.empty()) {
        CleanSecret clean = clean_secret(text);
        result.problem = clean.refused;
        result.stripped = std::move(clean.stripped);
        // Every text file ends with a newline; to say so of each would bury what matters.
        std::erase(result.stripped, "a trailing newline");
        result.secret = Secret(std::move(clean.text));
        cleanse(clean.text);
    }
    cleanse(text);
    return result;
}

}  // namespace streamkeeper::configuration
