/// A folder for one test's files, removed at its end.
#pragma once

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "streamkeeper/config.hpp"

namespace streamkeeper::test {

class Folder {
public:
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "streamkeeper-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    const std::filesystem::path& path() const { return path_; }
    std::string at(const std::string& name) const { return (path_ / name).string(); }

    void write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        std::filesystem::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name, std::ios::binary) << text;
        ::chmod(at(name).c_str(), mode);
    }

    LoadResult load(const std::string& yaml) const {
        write("streamkeeper.yaml", yaml);
        return load_config(path_ / "streamkeeper.yaml");
    }

    /// Each as `line:column: message`.
    std::vector<std::string> mistakes(const std::string& yaml) const {
        std::vector<std::string> all;
        for (const ConfigMistake& each : load(yaml).mistakes) {
            all.push_back(std::to_string(each.line) + ':' + std::to_string(each.column) + ": " + each.message);
        }
        return all;
    }

private:
    std::filesystem::path path_;
};

/// Sets a variable for one test.
class Environment {
public:
    Environment(const char* name, const char* value) : name_(name) {
        if (const char* before = ::getenv(name)) before_ = before, had_ = true;
        value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
    }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;
    ~Environment() { had_ ? ::setenv(name_, before_.c_str(), 1) : ::unsetenv(name_); }

private:
    const char* name_;
    std::string before_;
    bool had_ = false;
};

inline std::string contents(const std::string& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace streamkeeper::test
