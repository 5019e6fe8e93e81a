/// A map by text that is asked with views.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace streamkeeper::mock {

struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

template <class Value>
class Lookup : public std::unordered_map<std::string, Value, TextHash, std::equal_to<>> {
public:
    Value& at_or_new(std::string_view key) {
        const auto it = this->find(key);
        return it != this->end() ? it->second : (*this)[std::string(key)];
    }
};

}  // namespace streamkeeper::mock
