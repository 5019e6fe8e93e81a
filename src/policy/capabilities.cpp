#include <algorithm>

#include "streamkeeper/continuation.hpp"

namespace streamkeeper {

std::optional<LearntSeam> Capabilities::learnt(std::string_view model, std::string_view kind, TimePoint now) const {
    for (const std::string_view of : {std::string_view(), kind}) {
        const auto found = learnt_.find(Name(model, of));
        if (found != learnt_.end() && found->second.until > now) return found->second;
    }
    return std::nullopt;
}

void Capabilities::learn(Name name, LearntSeam seam, TimePoint now) {
    std::erase_if(learnt_, [now](const auto& entry) { return entry.second.until <= now; });
    seam.until = now + remembered;
    learnt_.insert_or_assign(std::move(name), seam);
}

void Capabilities::refused(std::string_view model, TimePoint now) { learn(Name(model, ""), {}, now); }

void Capabilities::probed(std::string_view model, std::string_view kind, Prefill prefill, Seam seam, TimePoint now) {
    learn(Name(model, kind), {prefill, seam, {}}, now);
}

bool Capabilities::begin_probe(std::string_view model, std::string_view kind, std::uint64_t waiter,
                               std::function<void()> later) {
    const auto [entry, first] = probing_.try_emplace(Name(model, kind));
    if (!first) entry->second.push_back({waiter, std::move(later)});
    return first;
}

void Capabilities::leave_probe(std::uint64_t waiter) {
    const auto leaves = [waiter](const Waiting& waiting) { return waiting.waiter == waiter; };
    for (auto& [name, waiting] : probing_) std::erase_if(waiting, leaves);
    std::erase_if(calling_, leaves);
}

void Capabilities::end_probe(std::string_view model, std::string_view kind) {
    const auto ended = probing_.find(Name(model, kind));
    if (ended == probing_.end()) return;
    std::move(ended->second.begin(), ended->second.end(), std::back_inserter(calling_));
    probing_.erase(ended);
    // One that is called may begin the next probe, end one, or take another waiter away.
    while (!calling_.empty()) {
        const std::function<void()> later = std::move(calling_.front().later);
        calling_.erase(calling_.begin());
        later();
    }
}

std::vector<Capabilities::Row> Capabilities::rows(TimePoint now) const {
    std::vector<Row> rows;
    for (const auto& [name, learnt] : learnt_)
        if (learnt.until > now) rows.push_back({name.first, name.second, learnt});
    return rows;
}

namespace {

/// Configured, learnt, preset, default: the first that says something.
struct Sources {
    const Capability& configured;
    const std::optional<LearntSeam>& learnt;
    const Capability& preset;
};

/// Flags are chat's: for other endpoints a configured flag settles nothing.
Prefill prefill_from(const Sources& from, bool chat) {
    const bool settled = from.configured.prefill && from.configured.seam.value_or(Seam::unknown) != Seam::unknown &&
                         (chat || *from.configured.prefill == Prefill::trailing);
    const bool closed = from.learnt && from.learnt->prefill == Prefill::none;
    if (closed && !settled) return Prefill::none;
    if (from.configured.prefill) return *from.configured.prefill;
    if (from.learnt) return from.learnt->prefill;
    return from.preset.prefill.value_or(Prefill::trailing);
}

/// A seam belongs to the way of asking that it was seen with.
void set_seam(Continuable& result, const Sources& from, bool own_flags) {
    const bool way_known = from.configured.prefill || from.preset.prefill || from.learnt;
    if (own_flags && way_known && from.configured.seam.value_or(Seam::unknown) != Seam::unknown) {
        result.seam = *from.configured.seam;
    } else if (from.learnt && from.learnt->prefill == result.prefill) {
        result.seam = from.learnt->seam;
    } else if (own_flags && !from.configured.seam &&
               from.preset.prefill.value_or(Prefill::trailing) == result.prefill) {
        result.seam = from.preset.seam.value_or(Seam::unknown);
        result.doubtful = result.seam == Seam::exact;
    }
}

}  // namespace

std::string_view prefill_label(Prefill prefill) {
    switch (prefill) {
        case Prefill::none: return "none";
        case Prefill::trailing: return "trailing";
        case Prefill::prefix: return "prefix";
        case Prefill::partial: return "partial";
        case Prefill::continue_final_message: return "continue_final_message";
    }
    return {};
}

std::string_view seam_label(Seam seam) {
    switch (seam) {
        case Seam::exact: return "exact";
        case Seam::echo: return "echo";
        case Seam::unknown: return "unknown";
    }
    return {};
}

Continuable continuable(Endpoint endpoint, const Resume& resume, const Capabilities& capabilities,
                        std::string_view model, std::string_view kind, TimePoint now) {
    Continuable result;
    result.deterministic = resume.configured.deterministic.value_or(resume.preset.deterministic.value_or(false));
    const bool chat = endpoint == Endpoint::chat_completions;
    if (!chat && endpoint != Endpoint::completions && endpoint != Endpoint::messages) return result;
    const std::optional<LearntSeam> learnt = capabilities.learnt(model, kind, now);
    const Sources from{resume.configured, learnt, resume.preset};
    const Prefill prefill = prefill_from(from, chat);
    if (prefill == Prefill::none) return result;
    result.prefill = chat ? prefill : Prefill::trailing;
    // A prompt is open by nature, but not behind every gateway; who says that it may be continued knows his.
    const Seam said = resume.configured.seam.value_or(Seam::exact);
    if (endpoint == Endpoint::completions && resume.configured.prefill && said != Seam::unknown)
        result.seam = said;
    else
        set_seam(result, from, result.prefill == prefill && endpoint != Endpoint::completions);
    return result;
}

}  // namespace streamkeeper
