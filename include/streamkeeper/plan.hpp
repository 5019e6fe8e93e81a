/// The plan: what policy decided about one request, before anything is sent. A list of targets and a list of spans; the
/// client's body itself is never changed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "streamkeeper/admission.hpp"
#include "streamkeeper/config.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {

struct Traffic;

/// A member of the body with the comma that goes with it: what is left is an object again.
struct Cut {
    std::size_t begin = 0, end = 0;
};

/// What policy reads from a policy path's body.
struct BodyFacts {
    std::string model;      ///< unquoted; empty if there is none
    json::Span model_span;  ///< with quotes; empty without a model
    bool stream = false;
    unsigned choices = 1;      ///< `n`: how many answers were asked for
    bool usage_asked = false;  ///< the client itself set stream_options.include_usage
    std::optional<json::Member> stream_options, stream_member;
    std::vector<std::string> fallback_models;       ///< Apertis' field of that name, in order
    std::vector<Cut> fallback_fields;               ///< it and its company: what is taken out when we walk the chain
    std::size_t closing_brace = 0;                  ///< where a member can be appended
    std::size_t members = 0, fallback_members = 0;  ///< of the object; of these, `fallback_fields`
};

/// Validates the whole body. A mistake is answered with 400, line and column, and nothing is sent.
std::variant<BodyFacts, http::Refusal> read_body(std::string_view body);

/// Replaces [begin, end) of the body by `text`.
struct Splice {
    std::size_t begin = 0, end = 0;
    std::string text;
};

/// One try's destination.
struct Target {
    std::shared_ptr<const Upstream> upstream;
    const Key* key = nullptr;  ///< belongs to `upstream`; null if it has none
    std::string model;         ///< the name sent
    Traffic* traffic = nullptr;
    unsigned slot = 0;            ///< of the key (key_states.hpp)
    std::size_t group = 0;        ///< the same for all keys of one (upstream, model); 0: what was asked for
    std::string_view only_for{};  ///< of a chain for one cause (`fallback_on`): the reason it is for
    // ---- what the attempt loop notes
    int tries = 0;
    bool out = false;                                    ///< left for good
    std::chrono::steady_clock::time_point not_before{};  ///< of a rested one: the vendor's own hint
    bool rested = false;                                 ///< left for another one, as long as there is one
    bool renamed = false;                                ///< its name was corrected once
};

struct Plan {
    std::vector<Target> targets;            ///< in the order in which they may be tried
    std::vector<std::string> vendor_chain;  ///< `fallback_by: vendor`: what the vendor is asked to walk
};

/// The upstream of requests that name none: `default_upstream`, or the only one there is.
std::string_view default_name(const Config&);

/// Whether the default upstream's model list has this full id. Unknown lists lack it.
using InDefaultList = std::function<bool(std::string_view id)>;

/// Which upstream and model a request means (contract, "Routing"). `in_list` is asked only if it matters.
struct Route {
    std::shared_ptr<const Upstream> upstream;
    std::string model;
};
std::variant<Route, http::Refusal> route(const Config&, std::string_view forced_upstream, std::string_view model,
                                         const InDefaultList& in_list);

/// True if `route` would have to know the default upstream's list.
bool needs_default_list(const Config&, std::string_view forced_upstream, std::string_view model);

/// What a chain's entry means: an alias, `UPSTREAM/MODEL`, a model of its own upstream, else one of `home`.
Route chain_entry(const Config&, const std::shared_ptr<const Upstream>& home, std::string_view entry);

/// What is remembered of an upstream, and the slot of each of its keys.
struct Known {
    Traffic* traffic = nullptr;
    std::span<const unsigned> slots;
};
using KnownOf = std::function<Known(const std::shared_ptr<const Upstream>&)>;

/// `fallback_header`: the value of x-streamkeeper-fallback, if there is one. The chain is the header's, else the
/// body's, else the configured ones (contract, "Routing").
Plan make_plan(const Config&, const Route&, const BodyFacts&, std::optional<std::string_view> fallback_header,
               const KnownOf&);
/// Pass-through: the upstream's keys, no model, no chain.
Plan make_plan(const Route&, const KnownOf&);

/// Effective timeouts: global, then the upstream's, then the model's.
Timeouts timeouts_for(const Config&, const Upstream&, std::string_view model);
/// Effective resumption: the preset's capability, global, then the upstream's, then the model's.
Resume resume_for(const Config&, const Upstream&, std::string_view model);

/// Whether `stream_options.include_usage` is to be added for this upstream; it may have refused that before.
bool wants_usage(const Upstream&, Endpoint, const BodyFacts&, bool refused);

/// What becomes of the body for one target, in order of position.
std::vector<Splice> splices_for(std::string_view body, const BodyFacts&, const Plan&, const Target&, bool with_usage);

/// Asks for a stream; only for a body that has other members. Added to those of `splices_for`.
void add_stream(std::vector<Splice>&, const BodyFacts&);

/// The body as it is sent: views into the client's bytes and into the splices.
std::vector<std::string_view> spliced(std::string_view body, const std::vector<Splice>&);

}  // namespace streamkeeper
