/// What the writers of a document's events share: reading a valid JSON object's members, and writing events around
/// copies of them. Values are copied as they are spelt, never parsed and written anew.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "streamkeeper/json_scan.hpp"

namespace streamkeeper::document_parts {

inline bool is_object(std::string_view value) { return value.starts_with('{'); }
inline bool is_array(std::string_view value) { return value.starts_with('['); }
inline bool is_string(std::string_view value) { return value.starts_with('"'); }
/// A string with something in it: a delta of nothing tells nothing.
inline bool has_text(std::string_view value) { return is_string(value) && value.size() > 2; }

/// The members of a valid object, in order; none if it is no object.
class Fields {
public:
    explicit Fields(std::string_view object);
    /// The raw value of the last member called `name`, because clients' parsers take the last where a name stands
    /// twice. Empty if there is none.
    std::string_view find(std::string_view name) const;
    std::span<const json::MemberCursor> members() const& { return members_; }
    std::span<const json::MemberCursor> members() const&& = delete;  // a loop over a temporary's would dangle

private:
    std::vector<json::MemberCursor> members_;
};

std::vector<std::string_view> elements(std::string_view array);

/// What stands in place of a member's value. Only a value of the same kind is replaced (null replaces any), so that
/// what a vendor spells in its own way is told whole; an empty `value` leaves the member out.
struct Change {
    std::string_view name, value;
};

/// Appends `"name":` with a comma before it, unless an object has just been opened. `name` is plain ASCII.
void append_name(std::string& out, std::string_view name);
void append_member(std::string& out, std::string_view name, std::string_view value);
void append_member(std::string& out, std::string_view name, std::size_t value);
/// Appends the members as they are but for `changes`, without braces.
void append_members(std::string& out, const Fields&, std::span<const Change> changes);
/// The same as an object.
void append_object(std::string& out, const Fields&, std::span<const Change> changes);

/// The events written so far. A document whose events would be out of all proportion (a long id, repeated for
/// thousands of parts) is given up.
class EventWriter {
public:
    explicit EventWriter(std::size_t document_bytes);
    /// Begins an event and returns where the members of its object are to be appended. A type stands in the `event:`
    /// line, which clients of messages and responses dispatch on, and in the object.
    std::string& open(std::string_view type = {});
    /// Ends it: line ends between the document's tokens become blanks, since they would end the `data` line.
    void close();
    void done_marker() { text_ += "data: [DONE]\n\n"; }
    bool full() const { return text_.size() > limit_; }
    std::string take() { return std::move(text_); }

private:
    std::string text_;
    std::size_t limit_ = 0, data_ = 0;
};

/// The writers. False: the document is no answer of that endpoint.
bool tell_chat(EventWriter&, const Fields& document, bool with_usage);
bool tell_completion(EventWriter&, const Fields& document, bool with_usage);
bool tell_message(EventWriter&, const Fields& document);
/// `whole` is the document's text.
bool tell_response(EventWriter&, const Fields& document, std::string_view whole);

}  // namespace streamkeeper::document_parts
