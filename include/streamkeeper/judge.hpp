/// The judge: what a failure means (errors.md, table (a)). A pure function over one table, a row a rule, first match
/// wins; the order of the rows is part of the behaviour.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "streamkeeper/outcome.hpp"

namespace streamkeeper {

enum class Verdict {
    retry_same,          ///< S: the same target, after a pause
    retry_after_wait,    ///< W: the vendor asks to wait; costs no attempt
    other_key,           ///< K: another key of the same upstream; else another model
    other_model,         ///< M: another model, or another upstream
    refresh_model_list,  ///< L: the name may be wrong
    fail_now,            ///< F: nothing helps, or only another upstream
};
/// `retry_same`, `retry_after_wait` …, as `explain` prints them.
std::string_view verdict_name(Verdict);

struct Judgement {
    Verdict verdict = Verdict::fail_now;
    std::string_view row;      ///< `R2b`: the rule that matched, as errors.md names it
    std::string_view reason;   ///< label of metrics and log: `rate_limit`, `billing`, `model_not_found` …
    std::optional<Wait> wait;  ///< a floor of every pause: what the answer asked for, or what the row knows (R1d,
                               ///< R9c'). Nothing where waiting does not help, whatever the answer names
    std::string_view hint;     ///< one sentence for people: what it means and what to do; may be empty
};

/// One rule. `matches` reads the outcome alone. Two things are not in the table: how an exchange ended that no upstream
/// is to blame for is never judged, and R0d, the one row without a reason, is laid over another row's result.
struct Rule {
    std::string_view row;     ///< `R2b`
    std::string_view source;  ///< where the rule comes from: the vendor's page or an implementation that shows it
    bool (*matches)(const Outcome&);
    Verdict verdict;
    std::string_view reason;
    std::string_view hint;
};
std::span<const Rule> rules();

/// Judges an outcome that is a failure. `without` names a row to leave out: for the test that no row is superfluous.
Judgement judge(const Outcome&, std::string_view without = {});

}  // namespace streamkeeper
