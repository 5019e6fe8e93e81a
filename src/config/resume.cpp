#include "resume.hpp"

#include <type_traits>

#include "values.hpp"

namespace streamkeeper {
namespace configuration {
namespace {

template <typename Enum, std::size_t size>
using Words = std::array<std::pair<std::string_view, Enum>, size>;

constexpr Words<ResumeMode, 3> mode_words{
    {{"exact", ResumeMode::exact}, {"whole", ResumeMode::whole}, {"off", ResumeMode::off}}};
constexpr Words<ToolCalls, 2> call_words{{{"hold", ToolCalls::hold}, {"off", ToolCalls::stream}}};
constexpr Words<Probe, 2> probe_words{{{"on_first_break", Probe::on_first_break}, {"never", Probe::never}}};
constexpr Words<Prefill, 5> prefill_words{{{"none", Prefill::none},
                                           {"trailing", Prefill::trailing},
                                           {"prefix", Prefill::prefix},
                                           {"partial", Prefill::partial},
                                           {"continue_final_message", Prefill::continue_final_message}}};
constexpr Words<Seam, 3> seam_words{{{"unknown", Seam::unknown}, {"exact", Seam::exact}, {"echo", Seam::echo}}};
constexpr Words<FinishReason, 2> finish_words{
    {{"required", FinishReason::required}, {"optional", FinishReason::optional}}};

Spellings<ResumeMode> words_of(ResumeMode) { return mode_words; }
Spellings<ToolCalls> words_of(ToolCalls) { return call_words; }
Spellings<Probe> words_of(Probe) { return probe_words; }
Spellings<OnFailure> words_of(OnFailure) { return stream_endings(); }
Spellings<Prefill> words_of(Prefill) { return prefill_words; }
Spellings<Seam> words_of(Seam) { return seam_words; }
Spellings<FinishReason> words_of(FinishReason) { return finish_words; }

/// `text` is one that the schema has accepted.
template <typename Value>
Value read_as(std::string_view text) {
    if constexpr (std::is_same_v<Value, bool>)
        return text == "true";
    else if constexpr (std::is_same_v<Value, Bytes>)
        return parse_size(text).value_or(0);
    else if constexpr (std::is_same_v<Value, std::uint32_t>)
        return static_cast<std::uint32_t>(read_number(text));
    else
        return meaning_of(words_of(Value{}), text);
}

template <typename Value>
std::string written(Value value) {
    if constexpr (std::is_same_v<Value, bool>)
        return value ? "true" : "false";
    else if constexpr (std::is_same_v<Value, Bytes>)
        return format_size(value);
    else if constexpr (std::is_same_v<Value, std::uint32_t>)
        return std::to_string(value);
    else
        return std::string(spelling_of(words_of(value), value));
}

/// Calls `visit(name, global member, override member)` for each key of `resume`: its only list.
template <typename Visit>
void each_field(const Visit& visit) {
    visit("mode", &Resume::mode, &ResumeOverrides::mode);
    visit("attempts", &Resume::attempts, &ResumeOverrides::attempts);
    visit("tool_calls", &Resume::tool_calls, &ResumeOverrides::tool_calls);
    visit("transcript", &Resume::transcript, &ResumeOverrides::transcript);
    visit("probe", &Resume::probe, &ResumeOverrides::probe);
    visit("on_failure", &Resume::on_failure, &ResumeOverrides::on_failure);
}

/// The same for `capability`.
template <typename Visit>
void each_capability(const Visit& visit) {
    visit("prefill", &Capability::prefill);
    visit("seam", &Capability::seam);
    visit("deterministic", &Capability::deterministic);
    visit("finish_reason", &Capability::finish_reason);
    visit("cancel_stops_billing", &Capability::cancel_stops_billing);
}

template <typename Value>
void take(std::optional<Value>& into, const Scope& map, std::string_view name) {
    if (const Item* own = map.good(name)) into = read_as<Value>(own->text);
}

template <typename Value>
void append(std::string& text, std::string_view name, const std::optional<Value>& value) {
    if (!value) return;
    text += (text.empty() ? "" : ", ") + std::string(name) + ": " + written(*value);
}

}  // namespace

Resume build_resume(const Scope& resume) {
    Resume made;
    each_field([&](std::string_view name, auto global, auto) {
        made.*global = read_as<std::remove_reference_t<decltype(made.*global)>>(resume.text(name));
    });
    return made;
}

ResumeOverrides build_resume_overrides(const Scope& resume) {
    ResumeOverrides made;
    each_field([&](std::string_view name, auto, auto own) { take(made.*own, resume, name); });
    const Scope capability = resume.map("capability");
    each_capability([&](std::string_view name, auto own) { take(made.capability.*own, capability, name); });
    return made;
}

std::string show_resume(const Resume& resume) {
    std::string text = "resume:\n";
    each_field([&](std::string_view name, auto global, auto) {
        text += "  " + std::string(name) + ": " + written(resume.*global) + '\n';
    });
    return text;
}

std::string show_resume(const ResumeOverrides& overrides) {
    std::string text;
    each_field([&](std::string_view name, auto, auto own) { append(text, name, overrides.*own); });
    if (const std::string said = format_capability(overrides.capability); said != "{}")
        text += (text.empty() ? "" : ", ") + ("capability: " + said);
    return "resume: {" + text + '}';
}

std::string format_capability(const Capability& capability) {
    std::string text;
    each_capability([&](std::string_view name, auto own) { append(text, name, capability.*own); });
    return '{' + text + '}';
}

}  // namespace configuration

Capability Capability::over(Capability base) const {
    configuration::each_capability([&](std::string_view, auto own) {
        if (this->*own) base.*own = this->*own;
    });
    return base;
}

Resume ResumeOverrides::over(Resume base) const {
    configuration::each_field([&](std::string_view, auto global, auto own) {
        if (this->*own) base.*global = *(this->*own);
    });
    base.configured = capability.over(base.configured);
    return base;
}

}  // namespace streamkeeper
