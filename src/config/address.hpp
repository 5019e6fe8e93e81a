/// Hosts, listeners and URLs with the reason why one is refused.
#pragma once

#include <string>
#include <string_view>

#include "streamkeeper/config.hpp"

namespace streamkeeper::configuration {

/// 127.0.0.0/8, ::1 (also IPv4-mapped) and `localhost`.
bool is_loopback(std::string_view host);
bool is_ip_literal(std::string_view host);  ///< without brackets

struct UrlReading {
    std::optional<BaseUrl> url;
    std::string reason;  ///< for people, if there is no URL
};
UrlReading read_base_url(std::string_view text);

/// Rebuilds `text` after a part was changed.
void normalise(BaseUrl&);

/// Apertis moved; its old host is corrected and the sentence to say so returned, empty if there is nothing to say.
std::string correct_moved_host(BaseUrl&);

/// Would a connection to `url` arrive at `listener`?
bool reaches(const BaseUrl& url, const ListenAddress& listener);

/// Empty if `text` is a host (or an origin) as the lists take it; else why not.
std::string host_refusal(std::string_view text);
std::string origin_refusal(std::string_view text);

std::string lower_case(std::string_view text);

}  // namespace streamkeeper::configuration
