#include "resume.hpp"

namespace streamkeeper::configuration {
namespace {

constexpr std::int64_t KiB = 1024, GiB = KiB * KiB * KiB;

std::vector<Entry> capability_rows() {
    return {
        {.path = "resume.capability",
         .kind = Kind::map,
         .meaning = "What it can do for a continuation. What is said here is not probed.",
         .otherwise = "the preset's, until a break teaches better"},
        {.path = "resume.capability.prefill",
         .kind = Kind::choice,
         .meaning = "How it is asked to go on with a broken answer. `none`: it can't; `trailing`: by a last message of "
                    "the assistant; `prefix`, `partial`: by that flag in this message; `continue_final_message`: by "
                    "that flag in the request.",
         .choices = "none|trailing|prefix|partial|continue_final_message",
         .otherwise = "the preset's, else found by a probe"},
        {.path = "resume.capability.seam",
         .kind = Kind::choice,
         .meaning = "What its continuation begins with. `exact`: the text that follows; `echo`: the whole answer so "
                    "far, which is taken off; `unknown`: found by a probe.",
         .choices = "exact|echo|unknown",
         .otherwise = "the preset's, else found by a probe"},
        {.path = "resume.capability.deterministic",
         .kind = Kind::flag,
         .meaning = "`true`: equal requests get equal answers, byte for byte, so a broken one is resumed by asking "
                    "again.",
         .otherwise = "the preset's, else `false`"},
        {.path = "resume.capability.finish_reason",
         .kind = Kind::choice,
         .meaning = "`required`: an answer without a finish reason is a broken one; `optional`: a clean end after "
                    "`[DONE]` will do.",
         .choices = "required|optional",
         .otherwise = "the preset's, else `required`"},
        {.path = "resume.capability.cancel_stops_billing",
         .kind = Kind::flag,
         .meaning = "`false`: it bills an abandoned answer to its end, so a silent stream is waited for twice as long.",
         .otherwise = "the preset's, else `true`"},
    };
}

}  // namespace

std::vector<Entry> resume_rows() {
    return {
        {.path = "resume", .kind = Kind::map, .meaning = "What becomes of a stream that breaks after its 200."},
        {.path = "resume.mode",
         .kind = Kind::choice,
         .fallback = "exact",
         .meaning = "`exact`: it is continued where that makes exactly one whole answer, else it fails loudly; "
                    "`whole`: nothing is shown until the answer is complete, so that every break is an invisible "
                    "retry; `off`: a break after output was shown fails loudly.",
         .choices = "off|exact|whole"},
        {.path = "resume.attempts",
         .kind = Kind::number,
         .fallback = "3",
         .meaning = "The most further upstream calls for one request once output was shown; `0`: none.",
         .lowest = 0,
         .highest = 100},
        {.path = "resume.tool_calls",
         .kind = Kind::choice,
         .fallback = "hold",
         .meaning = "`hold`: a tool call is shown when it is complete, so that a break inside it is never seen; `off`: "
                    "piece by piece, and a stream that breaks after a piece is not continued.",
         .choices = "hold|off"},
        {.path = "resume.transcript",
         .kind = Kind::size,
         .fallback = "4MiB",
         .meaning = "The most of one answer that is remembered; a stream that is longer is not continued.",
         .lowest = KiB,
         .highest = GiB},
        {.path = "resume.probe",
         .kind = Kind::choice,
         .fallback = "on_first_break",
         .meaning = "Where it is not known how an upstream continues an answer, the first break that needs it may ask, "
                    "once a day for each model; the vendor bills about 40 tokens. `never` asks nothing and continues "
                    "only where it is known.",
         .choices = "on_first_break|never"},
        {.path = "resume.on_failure",
         .kind = Kind::choice,
         .fallback = "auto",
         .meaning = "How it ends if it can't be completed. `abort`: closed without the last chunk, after which tools "
                    "try again by themselves; `error`: the dialect's error event and a clean end; `auto`: `abort` "
                    "where trying again may help, else `error`.",
         .choices = "auto|abort|error"},
    };
}

std::vector<Entry> resume_override_rows(std::string_view owner) {
    std::vector<Entry> all;
    for (Entry own : resume_rows()) {
        if (own.kind == Kind::map) continue;
        own.path = std::string(owner) + own.path;
        own.fallback = {};
        own.otherwise = "inherited";
        own.meaning = "As the global one.";
        all.push_back(std::move(own));
    }
    for (Entry own : capability_rows()) {
        own.path = std::string(owner) + own.path;
        if (owner.starts_with("models.")) own.otherwise = "its upstream's";
        all.push_back(std::move(own));
    }
    return all;
}

}  // namespace streamkeeper::configuration
