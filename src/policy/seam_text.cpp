// Text at a seam: decoded from the events, and what of its end can't be trusted to come back.
#include "http/json_escape.hpp"
#include "policy/characters.hpp"
#include "streamkeeper/continuation.hpp"

namespace streamkeeper {

std::string decoded(std::string_view inside) { return json::unescape(inside, json::Halves::keep); }

bool unrepeatable(std::string_view shown_text) {
    if (shown_text.ends_with("\xEF\xBF\xBD")) return true;
    for (std::size_t at = 0; (at = shown_text.find('\xED', at)) != shown_text.npos; ++at)
        if (at + 1 < shown_text.size() && static_cast<unsigned char>(shown_text[at + 1]) >= 0xA0) return true;
    return false;
}

std::size_t trailing_space(std::string_view text) {
    const std::size_t size = text.size();
    for (;;) {
        const characters::Character end = characters::last(text);
        if (end.bytes == 0 || !characters::is_trimmed(end.code)) return size - text.size();
        text.remove_suffix(end.bytes);
    }
}

}  // namespace streamkeeper
