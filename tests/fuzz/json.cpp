// The validator and the scanner of JSON against Boost.JSON. They differ where the header says so: half a surrogate pair
// is valid here, a number of any size is, and nesting ends at 512.
#include "streamkeeper/json_scan.hpp"

#include <boost/json.hpp>

#include "target.hpp"

using namespace streamkeeper;

namespace {

bool spells_a_surrogate(std::string_view text) {
    for (std::size_t at = 0; (at = text.find("\\u", at)) != text.npos; at += 2)
        if (at + 2 < text.size() && (text[at + 2] | 0x20) == 'd') return true;
    return false;
}

boost::json::parse_options deep() {
    boost::json::parse_options options;
    options.max_depth = json::max_depth;
    return options;
}

bool has_exponent(std::string_view text) { return text.find_first_of("eE") != text.npos; }

void look_at_string(std::string_view text, const boost::json::value& value) {
    if (!value.is_string()) return;
    const std::string unquoted = json::unquote(text);
    fuzz::require(unquoted == value.get_string(), "both read the same text", text);
    const std::string again = json::quote(unquoted);
    fuzz::require(!json::scan(again) && json::unquote(again) == unquoted, "a text can be quoted", again);
    const char* const end = json::inside_end(text.data() + 1, text.data() + text.size());
    fuzz::require(end == text.data() + text.size() - 1, "a string ends at its quote", text);
}

void look_at_members(std::string_view text, const std::vector<json::Member>& members,
                     const boost::json::object& object) {
    fuzz::require(members.size() >= object.size(), "no member is missing", text);
    json::MemberCursor cursor{text, {}, {}};
    for (const json::Member& member : members) {
        fuzz::require(json::next_member(cursor), "the walk meets each member", text);
        fuzz::require(cursor.key == member.key.in(text) && cursor.value == member.value.in(text), "both walks agree",
                      text);
        const std::string name = json::unquote(member.key.in(text));
        const boost::json::value* found = object.if_contains(name);
        fuzz::require(found != nullptr, "each member is one", text);
        look_at_string(member.key.in(text), boost::json::value(boost::json::string(name)));
        look_at_string(member.value.in(text), boost::json::parse(member.value.in(text), {}, deep()));
    }
    fuzz::require(!json::next_member(cursor), "the walk ends", text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    std::vector<json::Member> members;
    const std::optional<json::Mistake> mistake = json::scan(text, &members);
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(text, error, {}, deep());
    if (mistake) {
        fuzz::require(mistake->offset <= text.size(), "a mistake has a place", text);
        const json::Position where = json::position_of(text, mistake->offset);
        fuzz::require(where.line >= 1 && where.column >= 1, "a place has a line", text);
        fuzz::require(error || mistake->what == std::string_view("nested too deeply"),
                      "what is valid there is valid here", text);
        return 0;
    }
    if (error) {
        fuzz::require(spells_a_surrogate(text) || has_exponent(text), "what is valid here is valid there", text);
        return 0;
    }
    const std::size_t from = text.find_first_not_of(" \t\r\n"), to = text.find_last_not_of(" \t\r\n");
    const std::string_view bare = text.substr(from, to - from + 1);
    look_at_string(bare, value);
    if (value.is_object()) {
        std::vector<json::Member> own;
        json::scan(bare, &own);
        fuzz::require(own.size() == members.size(), "white space around it changes nothing", text);
        look_at_members(bare, own, value.get_object());
    }
    if (value.is_array()) {
        std::size_t count = 0;
        json::for_each_element(bare, [](std::string_view, void* sum) { ++*static_cast<std::size_t*>(sum); }, &count);
        fuzz::require(count == value.get_array().size(), "each element is met", text);
    }
    return 0;
}
