/// The plan: what policy decided about one request, before anything is sent. A list of targets and a list of spans; the
/// client's body itself is never changed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "streamkeeper/admission.hpp"
#include "streamkeeper/config.hpp"
#include "streamkeeper/json_scan.hpp"

namespace streamkeeper {

/// What policy reads from a policy path's body.
struct BodyFacts {
    std::string model;      ///< unquoted; empty if there is none
    json::Span model_span;  ///< with quotes; empty without a model
    bool stream = false;
    unsigned choices = 1;      ///< `n`: how many answers were asked for
    bool usage_asked = false;  ///< the client itself set stream_options.include_usage
    std::optional<json::Member> stream_options;
    std::size_t closing_brace = 0;  ///< where a member can be appended
    bool has_members = false;
};

/// Validates the whole body. A mistake is answered with 400, line and column, and nothing is sent.
std::variant<BodyFacts, http::Refusal> read_body(std::string_view body);

/// Replaces [begin, end) of the body by `text`.
struct Splice {
    std::size_t begin = 0, end = 0;
    std::string text;
    bool usage = false;  ///< the option that asks for usage: left out once the vendor has refused it
};

/// One try's destination.
struct Target {
    std::shared_ptr<const Upstream> upstream;
    const Key* key = nullptr;  ///< belongs to `upstream`; null if it has none
    std::string model;         ///< the name sent
};

struct Plan {
    std::vector<Target> targets;  ///< in the order in which they may be tried
    std::vector<Splice> splices;  ///< in order of position
    bool usage_injected = false;  ///< the usage chunk is ours: the client must not see it
    Timeouts timeouts;
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

/// `usage_refused`: this upstream has refused stream_options before.
Plan make_plan(const Config&, const Route&, Endpoint, std::string_view body, const BodyFacts&, bool usage_refused);

/// Effective timeouts: global, then the upstream's, then the model's.
Timeouts timeouts_for(const Config&, const Upstream&, std::string_view model);

/// The body as it is sent: views into the client's bytes and into the plan's splices.
std::vector<std::string_view> spliced(std::string_view body, const std::vector<Splice>&, bool with_usage);

}  // namespace streamkeeper
