/// Tool calls of a stream while their pieces arrive: joined, so that a client is shown each call whole (resumption.md,
/// "What is held").
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace streamkeeper {

class HeldCalls {
public:
    /// `value` is the raw array of a delta's `tool_calls`, or the object of its `function_call`.
    void add(std::string_view value);
    void clear() { *this = {}; }
    bool empty() const { return pieces_ == 0; }
    std::size_t pieces() const { return pieces_; }
    std::size_t bytes() const { return bytes_; }
    /// Each call as one raw value for a delta: an array of one call, or the `function_call`.
    std::vector<std::string> whole() const;

private:
    using Members = std::vector<std::pair<std::string, std::string>>;  ///< raw key without quotes, raw value
    struct Call {
        std::string index, id;
        Members members, function;
        std::string arguments;  ///< the insides of its pieces
        bool any_arguments = false;
    };
    void add_call(std::string_view call);
    void add_function(Call& call, std::string_view function);
    Call& call_of(std::string_view index, std::string_view id, bool named);
    static void keep(Members& members, std::string_view key, std::string_view value);
    static std::string function_text(const Call& call);

    std::vector<Call> calls_;
    std::size_t pieces_ = 0, bytes_ = 0;
    bool legacy_ = false;
};

}  // namespace streamkeeper
