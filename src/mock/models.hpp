/// The models that the mock offers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mock/character.hpp"

namespace streamkeeper::mock {

struct Model {
    std::string name;
    std::uint64_t context_length = 0;  ///< a longer prompt is refused; 0: any length
};

class Models {
public:
    Models();  ///< the usual ones
    explicit Models(std::vector<Model> all) : all_(std::move(all)) {}

    /// Names are case-sensitive, as at T-Systems. nullptr: no such model.
    const Model* find(std::string_view name) const;
    const std::vector<Model>& all() const { return all_; }

    /// How `mock-trim` speaks; any other model has no character of its own.
    Character character_of(std::string_view name) const;

    /// `mock-1` of `mock-1+429+x2`, unless that whole is a model.
    std::string_view without_fault(std::string_view name) const;

private:
    std::vector<Model> all_;
    std::vector<Model> unlisted_;  ///< `mock-trim` and the like: known, but shown in no list
};

}  // namespace streamkeeper::mock
