/// The path and query of a request target: which are refused, and what they mean.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "streamkeeper/endpoint.hpp"
#include "streamkeeper/head.hpp"

namespace streamkeeper::http {

/// Dot segments, backslashes and control bytes, raw or percent-encoded, and broken percent-encoding: refused, never
/// normalised, because the upstream might normalise differently.
std::optional<Refusal> judge_path(std::string_view path);

struct ApiPath {
    std::string upstream;  ///< NAME of `/u/NAME/…`
    std::string suffix;    ///< `/chat/completions`: no version, no trailing slash
};
/// Forgiving where tools really differ: no `/v1`, `/v1/v1`, `/openai/v1`, doubled and trailing slashes (clients.md,
/// R1).
std::optional<ApiPath> api_path(std::string_view path);

Endpoint endpoint_of(std::string_view suffix);

/// `?` and the query without `key`, `api_key` and `api-key`; empty if nothing is left.
std::string query_without_credentials(std::string_view query);

}  // namespace streamkeeper::http
