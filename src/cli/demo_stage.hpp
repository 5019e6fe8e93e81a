/// What the demo plays on: two mock upstreams, a configuration folder of its own, and the daemon before them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "ops/daemon.hpp"
#include "streamkeeper/mock.hpp"

namespace streamkeeper::demo {

/// A folder 0700 that goes with its content.
class TemporaryFolder {
public:
    TemporaryFolder();  ///< throws Failure
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    std::filesystem::path write(const std::string& name, const std::string& text) const;  ///< 0600

private:
    std::filesystem::path path_;
};

class Stage {
public:
    Stage();  ///< throws Failure
    ~Stage();
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    std::uint16_t port() const { return port_; }  ///< the daemon's
    std::string base_url() const;                 ///< what a tool is told: ends in /v1
    const MockUpstream& vendor() const { return vendor_; }
    const MockUpstream& second() const { return second_; }
    std::string main_key() const;   ///< the vendor takes it until it is used up
    std::string spare_key() const;  ///< and this one for ever
    const std::string& configuration() const { return configuration_; }
    const std::filesystem::path& file() const { return file_; }

private:
    MockUpstream vendor_, second_;
    TemporaryFolder folder_;
    std::string configuration_;
    std::filesystem::path file_;
    std::unique_ptr<Daemon> daemon_;
    std::uint16_t port_ = 0;
    std::thread loop_;
};

}  // namespace streamkeeper::demo
