/// Which header fields go on, in both directions (contract, section 3), and the heads that are written.
#pragma once

#include <string>
#include <string_view>

#include "streamkeeper/config.hpp"
#include "streamkeeper/head.hpp"

namespace streamkeeper::http {

/// The head sent upstream. `body` says how its body is framed; `policy` asks for an unencoded answer.
struct UpstreamHead {
    std::string_view method, target;
    const Upstream* upstream = nullptr;
    const Key* key = nullptr;  ///< null: none is sent
    Framing body;
    bool policy = false;
    bool upgrade = false;      ///< keep the fields of a WebSocket upgrade
    bool same_request = true;  ///< byte for byte what was sent before, to the same target: keeps an Idempotency-Key
};
std::string upstream_head(const RequestHead& from, const UpstreamHead& to);

/// Appends the upstream's fields that a client may see, each line ended. `same_length`: its Content-Length still holds.
void append_client_fields(std::string& out, const ResponseHead& from, bool same_length);

/// `HTTP/1.1 200 OK` and its line end.
void append_status_line(std::string& out, int status, std::string_view reason = {});
std::string_view reason_phrase(int status);

}  // namespace streamkeeper::http
