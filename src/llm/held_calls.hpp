/// Tool calls of a stream while their pieces arrive: joined, so that a client is shown each call whole (resumption.md,
/// "What is held").
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace streamkeeper {

class HeldCalls {
public:
    HeldCalls();
    ~HeldCalls();

    /// The calls of one delta, a valid object. Which call a piece belongs to is decided as in a document that is put
    /// together (assembly.hpp).
    void add(std::string_view delta);
    void clear();
    bool empty() const { return pieces_ == 0; }
    /// Deltas that had some.
    std::size_t pieces() const { return pieces_; }
    std::size_t bytes() const;
    /// The numbers that calls are shown with.
    enum class Numbers {
        dense,  ///< from 0 on; some vendors leave numbers out, or give none
        given,  ///< the upstream's own, if they tell the calls apart: more pieces will come that say them
    };
    /// Each call as one raw value: an array of one call, or the `function_call`.
    std::vector<std::string> whole(Numbers = Numbers::dense) const;

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
    std::size_t pieces_ = 0;
};

}  // namespace streamkeeper
