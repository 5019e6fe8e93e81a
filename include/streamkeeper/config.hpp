/// The configuration as plain data: what the YAML file says, checked and with defaults applied.
///
/// Every room may include this header; it includes none of theirs. A `Config` is immutable once loaded and is shared
/// as `std::shared_ptr<const Config>`: an exchange keeps the one it began with (contract, section 2).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace streamkeeper {

using Duration = std::chrono::milliseconds;
/// A timeout that is `off` in the file.
inline constexpr Duration no_limit = Duration::max();

/// A size in bytes (`64KiB` in the file).
using Bytes = std::uint64_t;

/// Text that must not be shown: keys and tokens. Its storage is cleansed when it is freed.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string text) : text_(std::move(text)) {}
    Secret(const Secret&) = default;
    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret other) noexcept;
    ~Secret();

    /// The secret itself, for the upstream's head and for masking. Never for a log.
    std::string_view reveal() const { return text_; }
    bool empty() const { return text_.empty(); }
    /// What may be shown of it: `sk-…1234`, or `…` if it is too short for that to be safe.
    std::string masked() const;
    /// 64 bits that tell two keys apart without telling them; keys the registries that outlive a reload.
    std::string fingerprint() const;

private:
    std::string text_;
};

struct ListenAddress {
    enum class Kind { tcp, unix_socket };
    Kind kind = Kind::tcp;
    std::string host;  ///< an IP literal without brackets; for a Unix socket, the path
    std::uint16_t port = 0;
    std::string text;       ///< as the user wrote it
    bool loopback() const;  ///< Unix sockets count as loopback
};

/// Where a secret was read from; the secret itself is not in here.
struct SecretSource {
    enum class Kind {
        file,        ///< a private file; `words` is its absolute path
        credential,  ///< a systemd credential; `words` is its id
        env,         ///< an environment variable; `words` is its name
        command,     ///< a program; `words` is its argument vector
    };
    Kind kind = Kind::file;
    std::vector<std::string> words{};
};

struct Client {
    std::string name;
    Secret token;
    SecretSource source{};
};

enum class AuthStyle { bearer, x_api_key, api_key, none };

struct Key {
    std::string name;
    Secret secret;
    SecretSource source{};
    std::string shown() const { return name + " (" + secret.masked() + ")"; }
};

/// An absolute http(s) URL, taken apart once.
struct BaseUrl {
    bool tls = true;
    std::string host;  ///< without brackets
    std::uint16_t port = 443;
    std::string path;               ///< without a trailing slash; may be empty
    std::string text;               ///< normalised
    std::string authority() const;  ///< host, in brackets if it is IPv6, and the port unless it is the scheme's own
};

/// Whether `stream_options.include_usage` is injected; `automatic`: until the upstream refuses it.
enum class StreamUsage { automatic, on, off };

/// In which order an upstream's keys are used: the first usable one, or each in turn.
enum class KeyOrder { failover, round_robin };

/// Who shares a vendor's limit: each key has its own, all keys of the account, or everything from this machine.
enum class LimitScope { key, account, ip };

/// Who walks a chain of fallback models: streamkeeper, the vendor (fallback_models in the body), or nobody.
enum class FallbackBy { client, vendor, off };

/// At most `requests` sends in any window of length `per`, counted together for everything in `scope`.
struct RateLimit {
    std::uint32_t requests = 0;
    Duration per{0};
    LimitScope scope = LimitScope::key;
};

/// Each names the longest silence or duration it bounds; the contract's paragraph "Timeouts" is the definition.
struct Timeouts {
    Duration connect{10'000}, first_byte{300'000}, stream_idle{120'000}, stream_progress{600'000}, total = no_limit;
    Duration client_head{10'000}, client_body_idle{60'000}, client_keepalive{180'000}, pool_idle{50'000};
};

/// A `timeouts` map below the global one: what it leaves out is inherited.
struct TimeoutOverrides {
    std::optional<Duration> connect, first_byte, stream_idle, stream_progress, total, pool_idle;
    Timeouts over(Timeouts base) const;
};

/// How a stream that was committed and can't be completed is ended (contract, section 4, "Giving up after the commit").
enum class OnFailure {
    automatic,  ///< by the cause
    abort,      ///< closed without the last chunk
    error,      ///< the dialect's error event
};

/// What becomes of a stream that breaks.
enum class ResumeMode {
    off,    ///< nothing is done once output was shown
    exact,  ///< continued where that is exact, else it fails loudly
    whole,  ///< nothing is shown until the answer is complete, so that every break is an invisible retry
};

/// Whether a tool call is shown once it is complete, or piece by piece (`off` in the file).
enum class ToolCalls { hold, stream };

/// When an upstream whose seam is not known is asked for it; a probe is billed.
enum class Probe { on_first_break, never };

/// How an upstream is asked to go on with the last assistant turn (resumption_facts.md, section 2).
enum class Prefill {
    none,                    ///< it can't
    trailing,                ///< a last message of the assistant, without a flag
    prefix,                  ///< `"prefix": true` in that message (DeepSeek, Mistral)
    partial,                 ///< `"partial": true` in that message (Moonshot, DashScope)
    continue_final_message,  ///< top-level `continue_final_message` and `add_generation_prompt` (vLLM, SGLang)
};

/// What a continuation begins with.
enum class Seam {
    exact,    ///< the text that follows
    echo,     ///< the whole prefix again
    unknown,  ///< to be probed
};

/// Whether a vendor ends its answers with a finish reason.
enum class FinishReason {
    required,
    optional,  ///< never sent: a clean end with `[DONE]` counts
};

/// What an upstream can do for a continuation. Empty: nothing is said.
struct Capability {
    std::optional<Prefill> prefill;
    std::optional<Seam> seam;
    std::optional<bool> deterministic;  ///< equal requests get equal answers, byte for byte
    std::optional<FinishReason> finish_reason;
    std::optional<bool> cancel_stops_billing;  ///< false: a stalled stream is waited for twice as long
    Capability over(Capability base) const;
};

/// Contract, section 2 and 4; resumption.md.
struct Resume {
    ResumeMode mode = ResumeMode::exact;
    std::uint32_t attempts = 3;  ///< further calls after output was shown
    ToolCalls tool_calls = ToolCalls::hold;
    Bytes transcript = 4 << 20;  ///< of one stream; a longer one can't be continued
    Probe probe = Probe::on_first_break;
    OnFailure on_failure = OnFailure::automatic;
    Capability configured;  ///< of upstream and model
    Capability preset;      ///< what the file leaves out, until something was learnt
};

/// A `resume` map below the global one: what it leaves out is inherited.
struct ResumeOverrides {
    std::optional<ResumeMode> mode;
    std::optional<std::uint32_t> attempts;
    std::optional<ToolCalls> tool_calls;
    std::optional<Bytes> transcript;
    std::optional<Probe> probe;
    std::optional<OnFailure> on_failure;
    Capability capability;
    /// This capability goes over `base.configured`.
    Resume over(Resume base) const;
};

struct ProxyChoice {
    enum class Kind { env, none, url };
    Kind kind = Kind::env;
    BaseUrl url;  ///< for Kind::url
};

struct Upstream {
    std::string name, preset;
    BaseUrl base_url;
    AuthStyle auth = AuthStyle::bearer;
    std::vector<Key> keys;
    KeyOrder key_order = KeyOrder::failover;
    LimitScope limit_scope = LimitScope::key;
    bool limit_per_model = true;  ///< a 429 concerns one model of the scope, not all of it
    std::vector<RateLimit> rate_limits;
    std::uint32_t max_in_flight = 64, queue = 256;  ///< requests on the wire; requests waiting
    FallbackBy fallback_by = FallbackBy::client;
    StreamUsage stream_usage = StreamUsage::automatic;
    ProxyChoice proxy;
    std::filesystem::path ca_file;  ///< absolute; empty: the system store alone
    bool cleartext = false;         ///< the key may cross a network over http://
    TimeoutOverrides timeouts;
    ResumeOverrides resume;
    Capability preset_capability;      ///< under whatever the file says
    std::string registry_key() const;  ///< (upstream, base_url, key fingerprints): names what outlives a reload
};

struct Model {
    std::string upstream;               ///< may be empty: the default one
    std::vector<std::string> fallback;  ///< models tried after it, in order; `UPSTREAM/MODEL` names another upstream
    std::uint64_t context = 0;          ///< tokens; 0: unknown
    TimeoutOverrides timeouts;
    ResumeOverrides resume;
};

/// Chains for one cause, before the model's own.
struct FallbackOn {
    std::vector<std::string> context_length, content_policy;
};

/// What becomes of a model's name that its upstream refuses: `fix` tries a unique match that ignores case, spaces, '-',
/// '_' and '.'.
enum class ModelNames { exact, fix };

/// Contract, "Retry". `deadline_*` bound waiting and starting, counted from the request's arrival.
struct Retry {
    std::uint32_t attempts = 6, per_target = 4;
    Duration base{1000}, cap{30'000}, deadline_stream{240'000}, deadline_other{110'000};
};

/// Whether a request that asked for no stream is sent as one, which survives idle limits, and put together here.
enum class Assemble {
    off,
    automatic,  ///< once an attempt was cut or timed out
    always,
};

/// `commit_hold`: how long a stream's real status is kept open; `heartbeat`: the pause between two comments after it.
struct Stream {
    Duration commit_hold{5000}, heartbeat{5000};
    Assemble assemble = Assemble::automatic;
};

struct Limits {
    Bytes head = 64 << 10, body = 64 << 20, memory = 256 << 20;
    std::uint32_t connections = 4096;
};

struct Metrics {
    std::optional<ListenAddress> listen;  ///< absent: `same`
    std::uint32_t model_labels = 50;
};

enum class LogLevel { error, warning, info, debug };
enum class LogFormat { automatic, text, json };

struct Log {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::automatic;
};

struct Config {
    std::vector<ListenAddress> listen;
    std::vector<std::string> allowed_hosts;    ///< lower case, without a port; IPv6 in brackets
    std::vector<std::string> allowed_origins;  ///< lower case `scheme://host[:port]`, or `null`
    std::vector<Client> clients;
    std::vector<std::shared_ptr<const Upstream>> upstreams;  ///< in the file's order, at least one
    std::string default_upstream;
    std::map<std::string, Model> models;
    std::map<std::string, std::string> aliases;
    ModelNames model_names = ModelNames::fix;
    FallbackOn fallback_on;
    Retry retry;
    Timeouts timeouts;
    Stream stream;
    Resume resume;
    Limits limits;
    Metrics metrics;
    Log log;
    Duration drain{30'000};
    std::vector<std::string> notes;  ///< said once at load: what hygiene stripped, which file was read. Never a secret
    std::filesystem::path file;      ///< empty without a file

    const Upstream* upstream(std::string_view name) const;
    std::shared_ptr<const Upstream> upstream_ptr(std::string_view name) const;
};

/// One mistake of a file. Lines and columns count from 1; 0 where there is no place in a file.
struct ConfigMistake {
    std::string file;
    int line = 0, column = 0;
    std::string message;
    std::string text() const;  ///< `file:line:column: message`, without the parts that are missing
};

struct LoadResult {
    std::shared_ptr<const Config> config;  ///< null if there are mistakes
    std::vector<ConfigMistake> mistakes;
};

/// Reads, checks and completes one file; every mistake is reported, not just the first. Runs key commands, each of
/// which may take 30 s: a caller with an event loop calls this from another thread.
LoadResult load_config(const std::filesystem::path& file);

/// What `serve --upstream URL --key-file FILE [--listen ADDR]` means.
struct QuickStart {
    std::string base_url, key_file;
    std::vector<std::string> listen;
};
LoadResult quick_config(const QuickStart& options);

/// `--config`, `$STREAMKEEPER_CONFIG`, `$XDG_CONFIG_HOME/streamkeeper/streamkeeper.yaml` (or `~/.config`),
/// `/etc/streamkeeper/streamkeeper.yaml`: the first that is named or exists.
std::optional<std::filesystem::path> find_config(const std::string& flag);

/// The effective configuration as YAML with every default written out and every secret masked.
std::string show_config(const Config&);

/// JSON Schema (2020-12) and the reference page, both from the table that the loader reads.
std::string config_schema_json();
std::string config_reference_markdown();

std::optional<ListenAddress> parse_listen(std::string_view text);
std::optional<BaseUrl> parse_base_url(std::string_view text);
std::optional<Duration> parse_duration(std::string_view text);
std::optional<Bytes> parse_size(std::string_view text);

/// A key or token as pasted, cleaned: white space, CR/LF, BOM, NBSP, zero-width characters, quotes, doubled `Bearer `.
struct CleanSecret {
    std::string text;
    std::vector<std::string> stripped;  ///< what was taken off, in words ("a trailing newline", "quotes")
    std::string refused;                ///< why it can't be a key (empty, two lines, characters a header can't carry)
};
CleanSecret clean_secret(std::string_view raw);

}  // namespace streamkeeper
