/// The configuration of resumption: its rows of the table, its values from a file and back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "document.hpp"
#include "schema.hpp"
#include "streamkeeper/config.hpp"

namespace streamkeeper::configuration {

std::vector<Entry> resume_rows();  ///< `resume.*`
/// What `upstreams.NAME.resume` and `models.NAME.resume` hold; `owner` is the part before `resume`, with its dot.
std::vector<Entry> resume_override_rows(std::string_view owner);

Resume build_resume(const Scope& resume);
ResumeOverrides build_resume_overrides(const Scope& resume);

/// As YAML: the global map in lines, an override in one.
std::string show_resume(const Resume&);
std::string show_resume(const ResumeOverrides&);
/// `{prefill: trailing, seam: exact}`; what is not said is left out.
std::string format_capability(const Capability&);

}  // namespace streamkeeper::configuration
