/// What to do after the demo: what to type into one's tools.
#pragma once

#include <string>

namespace streamkeeper::demo {

class Voice;

/// With a base URL, the demo stays up at it, and the tools are told to use that.
void show_closing(Voice&, const std::string& staying_at);

}  // namespace streamkeeper::demo
