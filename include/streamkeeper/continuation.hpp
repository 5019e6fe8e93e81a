/// A continuation: the request that asks an upstream to go on with an answer that broke off, and what is known of
/// upstreams that can do so (resumption.md, "Break to strategy" and "Seam check"). Pure.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "streamkeeper/gate.hpp"
#include "streamkeeper/plan.hpp"
#include "streamkeeper/vendor_error.hpp"

namespace streamkeeper {

// ---- the request

/// What of a request's body decides whether and how its answer can be continued. Read when a stream has broken; the
/// body is known to be valid.
struct ContinuationFacts {
    /// Why no continuation of this request would be exact: `stop`, `response_format`, `tool_choice`, `n` …; the name of
    /// the body's member (also if it is there twice), or the endpoint's label. Empty: it may be continued.
    std::string_view excluded;
    bool tools = false;       ///< the request offers tools
    bool background = false;  ///< responses: `"background": true`
    /// Raw text of the members that a probe has to repeat, because they change what the upstream does with an open
    /// turn (tools, reasoning and thinking settings): `"tools":[…],"reasoning_effort":"low"`. Empty if there are none.
    std::string probe_members;
    /// What `Capabilities` remembers a seam by: the dialect and the short of `probe_members` (`chat_completions`,
    /// `messages tools`, `completions reasoning_effort="low"`). Which tools there are makes no difference.
    std::string kind;
    /// Where the prefix goes: into the last message, if that is the assistant's own prefill (its string content), else
    /// into a message of its own before the array's closing bracket; completions: behind the prompt, a string.
    std::size_t insert_at = 0;
    bool into_last = false;  ///< `insert_at` is before the closing quote: of the last message's text, or the prompt
    bool first = false;      ///< the array is empty: no comma
    std::size_t message_end = 0;  ///< with `into_last`: before the closing brace of that message
    bool flagged = false;         ///< with `into_last`: the client itself said `prefix` or `partial`
    /// Limits that are whole numbers, 0 or more; others (-1 is "none" to some servers) are left alone.
    std::optional<json::Member> max_tokens, max_completion_tokens;
    std::optional<json::Member> continue_final_message, add_generation_prompt;
    std::vector<Cut> vendor_chain;  ///< members that would let the vendor fall back to another model (`models`,
                                    ///< `route`, `fallback_models`, `fallback_enabled`), each run with its comma
    std::optional<std::int64_t> token_limit;  ///< the smaller of the two; nothing if there is none
};
ContinuationFacts read_continuation(Endpoint, std::string_view body, const BodyFacts&);

/// What is asked of one upstream.
struct ContinuationWish {
    Prefill prefill = Prefill::trailing;
    std::string_view prefix;       ///< what the client was shown: the inside of a JSON string, escapes as they came
    std::int64_t tokens_used = 0;  ///< taken off the limit
};
/// Added to those of `splices_for` (for a plan without `vendor_chain`), in order of position. Their cuts of fallback
/// fields are replaced by `vendor_chain`. Only if nothing excludes it, `prefill` is not none, and the limit allows at
/// least one more token.
void add_continuation(std::vector<Splice>&, std::string_view body, Endpoint, const BodyFacts&, const ContinuationFacts&,
                      const ContinuationWish&);

/// Whether an answer can be put behind the client's own last turn, if it has one: that upstream must have gone on with
/// it (without the flag of `prefill` it closed it, and the answer was a turn of its own), and must not have repeated
/// it.
bool goes_with_own_turn(Endpoint, std::string_view body, const ContinuationFacts&, Prefill, Seam);

// ---- the seam

/// Decodes the inside of a JSON string; lone surrogates become WTF-8 (three bytes each), so that nothing is lost.
std::string decoded(std::string_view inside);
/// Whether text can't be asked for again as it was: it ends with U+FFFD, or has half a surrogate pair anywhere (which
/// servers refuse). Of decoded text.
bool unrepeatable(std::string_view shown_text);
/// Bytes at the end that some server's trim may take: Unicode White_Space, U+FEFF (JavaScript) and the control
/// characters up to U+0020 (Java, Python). Of decoded text.
std::size_t trailing_space(std::string_view text);
/// Whether a continuation begins the answer anew instead of going on: it repeats the beginning of what was shown, opens
/// a paragraph in the middle of a sentence, or begins with a known preamble. Both texts are decoded; `continuation` is
/// its first bytes (at most `seam_window`, or all there is). A false alarm ends a stream that could go on, so that in
/// doubt, as in text that repeats itself, the answer is no.
bool starts_anew(std::string_view shown, std::string_view continuation);
inline constexpr std::size_t seam_window = 96;

/// A 400 or 422 about prefill, role or last message: the upstream does not continue an open turn.
bool refuses_prefill(const VendorError&);

// ---- what upstreams can do

/// What is known of one (model, kind of request) at an upstream.
struct LearntSeam {
    Prefill prefill = Prefill::none;  ///< none: it can't continue
    Seam seam = Seam::unknown;
    TimePoint until{};
};

/// As the configuration spells them.
std::string_view prefill_label(Prefill);
std::string_view seam_label(Seam);

/// What breaks and probes have taught about one upstream; outlives requests and configurations. Forgotten after 24 h.
class Capabilities {
public:
    static constexpr std::chrono::hours remembered{24};

    /// `kind` is `ContinuationFacts::kind`: requests with tools or thinking may be treated otherwise.
    std::optional<LearntSeam> learnt(std::string_view model, std::string_view kind, TimePoint now) const;
    /// A refusal, or a seam that was no continuation: no prefill for this model, whatever the kind.
    void refused(std::string_view model, TimePoint now);
    void probed(std::string_view model, std::string_view kind, Prefill, Seam, TimePoint now);

    /// One probe at a time: true if the caller is to make it; else `later` is called when it is over (its result, if it
    /// has one, stands in `learnt`).
    bool begin_probe(std::string_view model, std::string_view kind, std::uint64_t waiter, std::function<void()> later);
    /// A waiter goes away; `later` is not called any more. Who makes the probe calls `end_probe` instead.
    void leave_probe(std::uint64_t waiter);
    /// Calls the waiters, in their order. Without a result the first that begins again makes the next probe.
    void end_probe(std::string_view model, std::string_view kind);

    /// For the status page.
    struct Row {
        std::string model, kind;  ///< an empty kind: all of them
        LearntSeam learnt;
    };
    std::vector<Row> rows(TimePoint now) const;

private:
    struct Waiting {
        std::uint64_t waiter = 0;
        std::function<void()> later;
    };
    using Name = std::pair<std::string, std::string>;  ///< model and kind; an empty kind: all
    void learn(Name, LearntSeam, TimePoint now);

    std::map<Name, LearntSeam> learnt_;
    std::map<Name, std::vector<Waiting>> probing_;
    std::vector<Waiting> calling_;  ///< waiters of ended probes that are yet to be called
};

/// How a broken answer may be continued at this upstream, from all that is known. What is configured wins over what was
/// learnt, and that over the preset; a configured `prefill` without `seam` still learns that it is no continuation.
/// Flags are chat's own: messages are asked with a bare trailing message. Responses and others: none.
struct Continuable {
    Prefill prefill = Prefill::none;
    Seam seam = Seam::unknown;  ///< unknown: to be probed first
    bool doubtful = false;      ///< exact, but neither configured nor learnt to be so: the seam is looked at
    bool deterministic = false;
};
Continuable continuable(Endpoint, const Resume&, const Capabilities&, std::string_view model, std::string_view kind,
                        TimePoint now);

// ---- the probe

/// The body of a probe (resumption.md, "Probe"): chat and messages. `members` is `probe_members`.
std::string probe_body(Endpoint, std::string_view model, Prefill, std::string_view members);
/// What the answer (a whole document, status 200) means. `echoes`: the vendor is known to repeat the prefix. Nothing:
/// the turn was closed, or the document is no answer.
std::optional<Seam> read_probe(Endpoint, std::string_view document, bool echoes);

}  // namespace streamkeeper
