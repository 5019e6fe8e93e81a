// Wait hints of any head and body: never negative, never beyond ten years, never a crash.
#include "streamkeeper/wait_hint.hpp"

#include "target.hpp"

using namespace streamkeeper;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    constexpr int statuses[] = {429, 503, 529, 200, 402, 500, 302, 400};
    fuzz::Input input(bytes, size);
    const int status = statuses[input.choice() % 8];
    http::Fields fields;
    // `name: value` lines up to an empty one; then the body.
    for (;;) {
        const std::string_view line = input.until('\n');
        if (line.empty()) break;
        const std::size_t colon = std::min(line.find(':'), line.size());
        std::string_view value = line.substr(std::min(colon + 1, line.size()));
        if (value.starts_with(' ')) value.remove_prefix(1);
        fields.all.push_back({line.substr(0, colon), value});
    }
    const VendorError error = read_vendor_error(status, "application/json", input.rest());
    const std::chrono::system_clock::time_point now{std::chrono::seconds(1'703'894'355)};
    constexpr std::chrono::hours ten_years{24 * 3660};
    if (const std::optional<Wait> wait = wait_hint(status, fields, error, now)) {
        fuzz::require(wait->count() >= 0, "no wait is negative");
        fuzz::require(*wait <= ten_years, "no wait is beyond belief");
    }
    should_retry(fields);
    std::vector<RateLimitSeen> seen;
    read_limits(fields, now, seen);
    return 0;
}
