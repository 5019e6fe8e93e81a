/// The words a fault is described by, the same in a model's name, a header and a script.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mock/fault.hpp"

namespace streamkeeper::mock {

/// Who is speaking: not every word makes sense everywhere.
enum class Speaker {
    name,    ///< a model's name: known only when the body has been read
    header,  ///< x-mock-fault
    script,  ///< an answer of a rule
    limit,   ///< a limiter: a hint without a value tells the true wait
    key      ///< a key's refusal
};

/// Collects the words of one fault. Mistakes are sentences for people; an empty one means that all is well.
class FaultWriter {
public:
    explicit FaultWriter(Speaker speaker) : speaker_(speaker) {}

    /// `-` and `_` are the same in a word.
    std::string add(std::string_view word, std::optional<std::string_view> value);
    std::string add_header(std::string_view name, std::string_view value);
    void set_body(std::string body, bool is_json);

    /// Judges the words together and gives the fault out.
    std::string finish();
    Fault& fault() { return fault_; }

private:
    std::string complete();

    Speaker speaker_;
    Fault fault_;
    std::vector<std::string> seen_;
    const struct NamedError* named_ = nullptr;
};

std::optional<ErrorShape> error_shape(std::string_view word);
inline constexpr std::string_view error_shape_words =
    "openai, apertis, anthropic, google, openrouter, detail, detail_list, string, top_level, text, html or empty; in a "
    "stream also "
    "field, event or finish_error";

/// The spelling that is meant, e.g. `retry_after` for `Retry-after`; empty if it is far from all.
std::string_view nearest_word(std::string_view word);
bool is_word(std::string_view word);
bool is_character_word(std::string_view word);  ///< about the model, not about one act
bool needs_value(std::string_view word);        ///< false also for hints: a limiter's have none

}  // namespace streamkeeper::mock
