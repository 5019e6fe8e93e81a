/// What the tests of wait hints share: hints in microseconds, at one known moment.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "streamkeeper/wait_hint.hpp"

namespace streamkeeper::hints {

using std::chrono::microseconds;
using SystemTime = std::chrono::system_clock::time_point;
using Headers = std::vector<std::pair<std::string, std::string>>;

constexpr std::int64_t epoch = 1703894355;  // Fri, 29 Dec 2023 23:59:15 GMT
inline const SystemTime now{std::chrono::seconds(epoch)};

inline http::Fields fields_of(const Headers& headers) {
    http::Fields fields;
    for (const auto& [name, value] : headers) fields.all.push_back({name, value});
    return fields;
}

inline VendorError error_of(int status, std::string_view body) {
    return body.empty() ? VendorError{} : read_vendor_error(status, "application/json", body);
}

/// In microseconds; -1: none.
inline std::int64_t hint(int status, const Headers& headers, std::string_view body = {}, SystemTime at = now) {
    const auto wait = wait_hint(status, fields_of(headers), error_of(status, body), at);
    return wait ? wait->count() : -1;
}
inline std::int64_t hint(const Headers& headers) { return hint(429, headers); }

inline std::int64_t retry_after(std::string value) { return hint({{"Retry-After", std::move(value)}}); }
inline std::int64_t reset(std::string value) { return hint({{"X-RateLimit-Reset", std::move(value)}}); }
inline std::int64_t message(const std::string& text) {
    VendorError error;
    error.message = text;
    const auto wait = wait_hint(429, {}, error, now);
    return wait ? wait->count() : -1;
}

constexpr std::int64_t none = -1, second = 1'000'000;

}  // namespace streamkeeper::hints
