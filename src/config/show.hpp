/// YAML text that the loader reads back.
#pragma once

#include <string>
#include <string_view>

namespace streamkeeper::configuration {

/// `text` as a YAML scalar that is read back as it is: plain where that is safe, else in double quotes.
std::string scalar(std::string_view text);

}  // namespace streamkeeper::configuration
