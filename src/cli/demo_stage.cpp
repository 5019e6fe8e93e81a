#include "cli/demo_stage.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "cli/demo_client.hpp"

namespace streamkeeper::demo {
namespace {

// Two keys, of which the first one is good for the chats of steps 1 to 9: the tenth finds it used up.
constexpr const char* main_secret = "sk-mock-demo-main";
constexpr const char* spare_secret = "sk-mock-demo-spare";
constexpr const char* vendor_script =
    "keys:\n"
    "  - {name: main, secret: sk-mock-demo-main, quota: 6}\n"
    "  - {name: spare, secret: sk-mock-demo-spare}\n"
    "rules:\n"
    "  - {when: {model: mock-reasoner}, answers: [503], then: repeat-last}\n";
// The other vendor writes its errors in another shape.
constexpr const char* second_script = "models: [steady-1]\nerrors: anthropic\n";

MockOptions playing(const char* script) {
    MockOptions options;
    options.script = script;
    return options;
}

std::string configuration_for(const std::string& vendor, const std::string& second) {
    return "listen: [\"127.0.0.1:0\"]             # yours: 127.0.0.1:8817, the default\n"
           "upstreams:\n"
           "  vendor:\n"
           "    base_url: " +
           vendor +
           "\n"
           "    keys:                             # the only place that knows them\n"
           "      - {name: main, file: key-main}\n"
           "      - {name: spare, file: key-spare}   # takes over when `main` is used up or refused\n"
           "    limit_scope: account              # a 429 is meant for all keys\n"
           "    resume: {capability: {prefill: trailing, seam: exact}}   # it goes on with an answer\n"
           "    proxy: none\n"
           "  second:\n"
           "    base_url: " +
           second +
           "\n"
           "    keys: [{name: only, file: key-second}]\n"
           "    proxy: none\n"
           "default_upstream: vendor\n"
           "models: {mock-reasoner: {fallback: [second/steady-1]}}\n"
           "aliases: {fast: mock-1}\n"
           "stream: {commit_hold: 500ms, heartbeat: 500ms}   # 5s is the default of both\n"
           "retry: {base: 300ms}                # of the pauses: 1s\n"
           "log: {level: error}\n";
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
    const char* const wished = std::getenv("TMPDIR");
    std::string name = std::string(wished && *wished ? wished : "/tmp") + "/streamkeeper-demo-XXXXXX";
    if (!::mkdtemp(name.data())) throw Failure("no folder for the demo's files, " + name + ": " + std::strerror(errno));
    path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path TemporaryFolder::write(const std::string& name, const std::string& text) const {
    std::filesystem::path file = path_ / name;
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const bool written =
        descriptor >= 0 && ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const std::string why = std::strerror(errno);
    if (descriptor >= 0) ::close(descriptor);
    if (!written) throw Failure("can't write " + file.string() + ": " + why);
    return file;
}

Stage::Stage()
    : vendor_(playing(vendor_script)),
      second_(playing(second_script)),
      configuration_(configuration_for(vendor_.base_url(), second_.base_url())) {
    folder_.write("key-main", std::string(main_secret) + "\n");
    folder_.write("key-spare", std::string(spare_secret) + "\n");
    folder_.write("key-second", MockOptions{}.key + "\n");
    file_ = folder_.write("streamkeeper.yaml", configuration_);
    const LoadResult loaded = load_config(file_);
    if (!loaded.config) throw Failure("the demo's configuration is refused: " + loaded.mistakes.front().text());
    daemon_ = std::make_unique<Daemon>(loaded.config, std::function<LoadResult()>());
    if (const std::string problem = daemon_->start({}); !problem.empty()) throw Failure(problem);
    const std::string address = daemon_->server().addresses().front();
    port_ = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    loop_ = std::thread([this] { daemon_->run(); });
}

Stage::~Stage() {
    // Drained, so that its listeners close; then stopped, whoever is still connected (`--stay`).
    daemon_->server().post([this] { daemon_->server().drain(); });
    daemon_->server().stop();
    loop_.join();
}

std::string Stage::main_key() const { return main_secret; }
std::string Stage::spare_key() const { return spare_secret; }
std::string Stage::base_url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1"; }

}  // namespace streamkeeper::demo
