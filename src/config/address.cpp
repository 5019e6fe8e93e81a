#include "address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <charconv>
#include <cstring>

namespace streamkeeper {
namespace configuration {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return port;
}

bool is_host_name(std::string_view host) {
    return !host.empty() && host.size() <= 253 && host.front() != '.' && host.front() != '-' &&
           std::all_of(host.begin(), host.end(), [](unsigned char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                      c == '-' || c == '_';
           });
}

/// Network bytes of an IP literal; IPv4 as four, IPv6 as sixteen (an IPv4-mapped one as four), else none.
std::string address_bytes(std::string_view host) {
    const std::string text(host);
    std::array<char, 16> bytes{};
    if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return {bytes.data(), 4};
    if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return {};
    static constexpr std::array<char, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '\xff', '\xff'};
    if (std::equal(mapped.begin(), mapped.end(), bytes.begin())) return {bytes.data() + 12, 4};
    return {bytes.data(), 16};
}

bool is_wildcard(std::string_view host) {
    const std::string bytes = address_bytes(host);
    return !bytes.empty() && bytes.find_first_not_of('\0') == bytes.npos;
}

std::string bracketed(const std::string& host) { return host.find(':') == host.npos ? host : '[' + host + ']'; }

std::string without_slashes(std::string_view path) {
    while (path.ends_with('/')) path.remove_suffix(1);
    return std::string(path);
}

/// People paste a request's address where the part before it belongs.
std::string endpoint_refusal(const BaseUrl& url) {
    for (const std::string_view tail :
         {"/chat/completions", "/completions", "/responses", "/messages", "/embeddings", "/models"}) {
        if (!url.path.ends_with(tail)) continue;
        return "is the address of one request; leave out `" + std::string(tail) + "`: `" +
               url.text.substr(0, url.text.size() - tail.size()) + "`";
    }
    return {};
}

std::string part_refusal(const boost::urls::url_view& parts) {
    using boost::urls::scheme;  // compared by id, because a scheme may be written in any case (RFC 3986, 3.1)
    if (parts.scheme_id() != scheme::http && parts.scheme_id() != scheme::https)
        return "must begin with https:// (or http://)";
    if (parts.has_userinfo()) return "must not contain a user name or password; keys go under `keys:`";
    if (parts.has_query()) return "must not contain a query (`?`)";
    if (parts.has_fragment()) return "must not contain a fragment (`#`)";
    if (parts.encoded_host().empty()) return "has no host";
    return {};
}

}  // namespace

bool is_ip_literal(std::string_view host) { return !address_bytes(host).empty(); }

bool is_loopback(std::string_view host) {
    if (lower_case(host) == "localhost") return true;
    const std::string bytes = address_bytes(host);
    if (bytes.size() == 4) return bytes[0] == 127;
    return bytes.size() == 16 && bytes[15] == 1 && bytes.find_first_not_of('\0') == 15;
}

std::string lower_case(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    return lower;
}

void normalise(BaseUrl& url) { url.text = (url.tls ? "https://" : "http://") + url.authority() + url.path; }

UrlReading read_base_url(std::string_view text) {
    const auto parsed = boost::urls::parse_uri(boost::core::string_view(text.data(), text.size()));
    if (!parsed || !parsed->has_authority()) {
        if (text.find("://") == text.npos) return {{}, "is no URL; did you mean `https://" + std::string(text) + "`?"};
        return {{}, "is no valid URL"};
    }
    const boost::urls::url_view parts = *parsed;
    if (std::string reason = part_refusal(parts); !reason.empty()) return {{}, reason};
    BaseUrl url;
    url.tls = parts.scheme_id() == boost::urls::scheme::https;
    const std::string_view host(parts.encoded_host_address().data(), parts.encoded_host_address().size());
    if (!is_ip_literal(host) && !is_host_name(host)) return {{}, "has a host that is neither a name nor an address"};
    url.host = lower_case(host);
    url.port = url.tls ? 443 : 80;
    if (parts.has_port() && !parts.port().empty()) {
        const auto port = parse_port({parts.port().data(), parts.port().size()});
        if (!port || *port == 0) return {{}, "has a port outside 1 to 65535"};
        url.port = *port;
    }
    url.path = without_slashes({parts.encoded_path().data(), parts.encoded_path().size()});
    normalise(url);
    if (std::string reason = endpoint_refusal(url); !reason.empty()) return {{}, reason};
    return {url, {}};
}

std::string correct_moved_host(BaseUrl& url) {
    // vendors.md 1.1: Apertis was stima.tech, and older pages still show that host.
    if (url.host != "api.stima.tech") return {};
    url.host = "api.apertis.ai";
    normalise(url);
    return "base_url names api.stima.tech, the old host of Apertis; using " + url.text;
}

bool reaches(const BaseUrl& url, const ListenAddress& listener) {
    if (listener.kind != ListenAddress::Kind::tcp || url.port != listener.port) return false;
    if (is_wildcard(listener.host)) return is_loopback(url.host) || is_wildcard(url.host);
    if (url.host == "localhost") return listener.loopback();
    return is_ip_literal(url.host) && address_bytes(url.host) == address_bytes(listener.host);
}

std::string host_refusal(std::string_view text) {
    std::string_view host = text;
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (is_ip_literal(host) || is_host_name(host)) return {};
    if (text.find("://") != text.npos) return "must be a host alone, without a scheme";
    if (text.find('*') != text.npos) return "must be one host; there are no wildcards";
    if (text.find(':') != text.npos) return "must be a host alone; its port is never compared, leave it out";
    return "is neither a host name nor an address";
}

std::string origin_refusal(std::string_view text) {
    if (text == "null") return {};
    if (text == "*") return "must be one origin; there are no wildcards";
    const auto parsed = boost::urls::parse_uri(boost::core::string_view(text.data(), text.size()));
    if (!parsed || !parsed->has_authority() || parsed->encoded_host().empty()) {
        return "is no origin; write it like `https://app.example`";
    }
    if (!parsed->encoded_path().empty() || parsed->has_query() || parsed->has_fragment() || parsed->has_userinfo()) {
        return "is more than an origin: scheme, host and port alone, no `/` at the end";
    }
    return {};
}

}  // namespace configuration

bool ListenAddress::loopback() const { return kind == Kind::unix_socket || configuration::is_loopback(host); }

std::string BaseUrl::authority() const {
    const std::string shown = configuration::bracketed(host);
    return port == (tls ? 443 : 80) ? shown : shown + ':' + std::to_string(port);
}

std::optional<ListenAddress> parse_listen(std::string_view text) {
    ListenAddress address;
    address.text = text;
    if (text.starts_with("unix:")) {
        address.kind = ListenAddress::Kind::unix_socket;
        address.host = text.substr(5);
        // unix(7): a path has at most 107 bytes and a terminator.
        if (!address.host.starts_with('/') || address.host.size() > 107) return std::nullopt;
        return address;
    }
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const bool in_brackets = host.starts_with('[') && host.ends_with(']');
    if (in_brackets) host = host.substr(1, host.size() - 2);
    const auto port = configuration::parse_port(text.substr(colon + 1));
    if (host == "localhost") host = "127.0.0.1";
    const bool has_colons = host.find(':') != host.npos;
    if (!port || !configuration::is_ip_literal(host) || in_brackets != has_colons) return std::nullopt;
    address.host = host;
    address.port = *port;
    return address;
}

std::optional<BaseUrl> parse_base_url(std::string_view text) { return configuration::read_base_url(text).url; }

}  // namespace streamkeeper
