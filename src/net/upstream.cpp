#include "net/upstream.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace streamkeeper::net {

namespace {

/// Connections kept for an upstream; each is a descriptor.
constexpr std::size_t most_idle = 64;

std::string state_key(const Upstream& upstream) {
    const std::string proxy = upstream.proxy.kind == ProxyChoice::Kind::url   ? upstream.proxy.url.text
                              : upstream.proxy.kind == ProxyChoice::Kind::env ? "env"
                                                                              : "none";
    return upstream.registry_key() + "|" + proxy + "|" + upstream.ca_file.string();
}

std::string environment(const char* upper, const char* lower, std::string& which) {
    for (const char* const name : {lower, upper}) {
        const char* const value = std::getenv(name);
        if (!value || !*value) continue;
        which = name;
        return value;
    }
    return {};
}

/// An entry of NO_PROXY: `*`, a host, or a domain with everything below it; a port is ignored.
bool exempts(std::string_view entry, std::string_view host) {
    while (entry.starts_with(' ')) entry.remove_prefix(1);
    while (entry.ends_with(' ')) entry.remove_suffix(1);
    if (entry == "*") return true;
    if (entry.starts_with("*.")) entry.remove_prefix(1);
    if (const std::size_t colon = entry.rfind(':'); colon != std::string_view::npos && entry.find(':') == colon)
        entry = entry.substr(0, colon);
    if (entry.empty()) return false;
    if (entry == host) return true;
    if (entry.starts_with('.')) return host.ends_with(entry) || host == entry.substr(1);
    return host.size() > entry.size() && host.ends_with(entry) && host[host.size() - entry.size() - 1] == '.';
}

bool no_proxy(std::string_view host) {
    std::string ignored;
    const std::string list = environment("NO_PROXY", "no_proxy", ignored);
    std::string_view rest = list;
    while (!rest.empty()) {
        const std::size_t comma = rest.find(',');
        if (exempts(rest.substr(0, comma), host)) return true;
        rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
    // A proxy for this machine's own services is always a mistake of the environment.
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::string base64(std::string_view bytes) {
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        unsigned group = 0;
        for (std::size_t j = 0; j < 3; ++j)
            group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
        for (std::size_t j = 0; j < 4; ++j)
            out.push_back(i + j <= bytes.size() ? digits[group >> (18 - 6 * j) & 63] : '=');
    }
    return out;
}

/// User and password of a URL are percent-encoded (RFC 3986, 3.2.1); in Basic they are plain.
std::string percent_decoded(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned char byte = 0;
        const char* const digits = text.data() + i + 1;
        const bool coded =
            text[i] == '%' && text.size() - i > 2 && std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2;
        plain.push_back(coded ? static_cast<char>(byte) : text[i]);
        if (coded) i += 2;
    }
    return plain;
}

}  // namespace

Hop hop_to(const Upstream& upstream) {
    Hop direct{upstream.base_url.host, upstream.base_url.port, false, "", ""};
    if (upstream.proxy.kind == ProxyChoice::Kind::none) return direct;
    if (upstream.proxy.kind == ProxyChoice::Kind::url)
        return {upstream.proxy.url.host, upstream.proxy.url.port, true,
                "the setting 'proxy' of upstream " + upstream.name, ""};
    if (no_proxy(upstream.base_url.host)) return direct;
    std::string which;
    std::string value = upstream.base_url.tls ? environment("HTTPS_PROXY", "https_proxy", which)
                                              : environment("HTTP_PROXY", "http_proxy", which);
    if (value.empty()) value = environment("ALL_PROXY", "all_proxy", which);
    if (value.empty()) return direct;
    if (value.find("://") == std::string::npos) value = "http://" + value;
    std::string credentials;
    if (const std::size_t at = value.rfind('@'); at != std::string::npos) {
        const std::size_t begin = value.find("://") + 3;
        credentials = value.substr(begin, at - begin);
        value.erase(begin, at + 1 - begin);
    }
    const std::optional<BaseUrl> url = parse_base_url(value);
    if (!url) return direct;
    return {url->host, url->port, true, which,
            credentials.empty() ? "" : "Basic " + base64(percent_decoded(credentials))};
}

bool ModelList::has(std::string_view id) const {
    return std::any_of(models.begin(), models.end(), [id](const ListedModel& model) { return model.id == id; });
}

/// OpenRouter, vLLM, Groq, T-Systems (vendors.md, 6).
std::uint64_t ModelList::context(std::string_view id) const {
    const auto model = std::find_if(models.begin(), models.end(), [id](const auto& one) { return one.id == id; });
    if (model == models.end()) return 0;
    std::string_view size;
    for (const std::string_view name : {"context_length", "max_model_len", "context_window"})
        if (size.empty()) size = json::find(model->entry, name);
    if (size.empty()) {
        const std::string_view more = json::find(model->entry, "meta_data");
        if (more.starts_with('{')) size = json::find(more, "max_sequence_length");
    }
    std::uint64_t tokens = 0;
    std::from_chars(size.data(), size.data() + size.size(), tokens);
    return tokens;
}

UpstreamState::UpstreamState(std::shared_ptr<const Upstream> config)
    : config_(std::move(config)), hop_(hop_to(*config_)) {
    if (config_->base_url.tls) tls_ = std::make_unique<TlsContext>(config_->base_url.host, config_->ca_file);
}

std::optional<Transport> UpstreamState::take_idle(TimePoint now) {
    while (!idle_.empty()) {
        IdleConnection last = std::move(idle_.back());
        idle_.pop_back();
        if (!last.aged(now) && !last.transport.stale()) return std::move(last.transport);
    }
    return std::nullopt;
}

void UpstreamState::keep_idle(Transport transport, TimePoint now, Duration keep) {
    transport.watch().owner(nullptr);
    if (idle_.size() >= most_idle) idle_.erase(idle_.begin());
    idle_.push_back({std::move(transport), now, keep});
}

void UpstreamState::close_aged(TimePoint now) {
    std::erase_if(idle_, [now](const IdleConnection& idle) { return idle.aged(now); });
}

void UpstreamRegistry::adopt(const Config& config) {
    std::map<std::string, std::shared_ptr<UpstreamState>> next;
    for (const std::shared_ptr<const Upstream>& upstream : config.upstreams) {
        const std::string key = state_key(*upstream);
        const auto known = states_.find(key);
        const std::shared_ptr<UpstreamState>& state = next[key] =
            known != states_.end() ? known->second : std::make_shared<UpstreamState>(upstream);
        std::unique_ptr<GateService>& gates = gates_[upstream->name + "|" + upstream->base_url.text];
        if (!gates) gates = std::make_unique<GateService>(reactor_);
        gates->traffic.gates.configure(*upstream);
        state->gates = gates.get();
        state->slots = gates->traffic.keys.adopt(upstream->keys);
    }
    states_ = std::move(next);
}

std::shared_ptr<UpstreamState> UpstreamRegistry::find(const Upstream& upstream) const {
    const auto found = states_.find(state_key(upstream));
    return found == states_.end() ? nullptr : found->second;
}

}  // namespace streamkeeper::net
