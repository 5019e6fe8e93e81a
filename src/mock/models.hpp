/// The models that the mock offers.
#pragma once

#include <array>
#include <string_view>

namespace streamkeeper::mock {

constexpr std::array<std::string_view, 6> model_ids{"mock-1",     "mock-reasoner",    "Mock-Cased-70B",
                                                    "mock-embed", "mock-labs/mock-2", "mock-voice"};

/// Names are case-sensitive, as at T-Systems.
constexpr bool is_known_model(std::string_view id) {
    for (const auto known : model_ids)
        if (known == id) return true;
    return false;
}

}  // namespace streamkeeper::mock
