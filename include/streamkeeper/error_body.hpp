/// The one renderer of errors made here (contract, section 5).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "streamkeeper/dialect.hpp"

namespace streamkeeper {

/// One upstream call that failed, as the client is told about it.
struct AttemptNote {
    std::string upstream, key;  ///< names, never key material
    int status = 0;             ///< 0: no response
    std::string cause;          ///< "billing", "upstream_timeout"
    long ms = 0;
};

/// Empty members are left out of the body. `message` and `vendor_body` may hold what a vendor said; they are for the
/// calling client only and must never be logged.
struct ApiError {
    int status = 500;
    std::string type, code, message;
    std::optional<std::string> param;
    std::string request_id, upstream, model, reason, hint, vendor_body;
    std::vector<AttemptNote> attempts;
    std::optional<int> retry_after;  ///< whole seconds, 1 to 60, for the Retry-After field; not part of the body
};

/// Longest `vendor_body` shown, in bytes.
inline constexpr std::size_t max_vendor_body = 4096;

/// The body: one line of JSON, in Anthropic's shape on `messages`, else in OpenAI's. Text that is no UTF-8 is repaired.
/// Every occurrence of a secret is masked, before the vendor's body is cut, so that no part of one stays behind.
std::string render_error(Endpoint, const ApiError&, const std::vector<std::string_view>& secrets = {});

/// Overwrites each occurrence of each secret with '*' of the same length. Overlapping secrets are covered whole.
std::string mask_secrets(std::string text, const std::vector<std::string_view>& secrets);

}  // namespace streamkeeper
