/// What the assemblies share: objects that grow by the members of one event after the other, each member by the rule
/// of its name. Values stay as they were spelt; only strings and arrays are opened, to be joined by their insides.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace streamkeeper::assembly_parts {

/// What becomes of a member that comes more than once. Null never takes the place of a value, and where the kinds do
/// not fit, the last value counts.
enum class Joining : unsigned char {
    last,     ///< the last value counts
    first,    ///< the first that says something: not "", 0, false, [] or {}
    filled,   ///< the last that says something
    text,     ///< strings are joined
    list,     ///< arrays are joined
    object,   ///< objects are joined, member by member
    parts,    ///< content: a string, or parts of which the last one grows
    calls,    ///< tool calls: each grows, known by its id and index (resumption_facts.md, section 5)
    details,  ///< `reasoning_details`: entries of one index and type grow
    dropped,  ///< belongs to the stream, not to the document
};

struct Rules;
/// `members`: the rules within, for `object` and the three kinds of elements.
struct Rule {
    std::string_view name;
    Joining joining;
    const Rules* members = nullptr;
};
struct Rules {
    std::span<const Rule> named;
    Joining others = Joining::last;
};

/// The bytes that are kept, as the allocator has them. What is given back before the end is not always counted off:
/// never too few.
using Kept = std::size_t;

struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
};
template <class Value>
using Index = std::unordered_map<std::string, Value, NameHash, std::equal_to<>>;

class Members;
class Elements;

/// The value of one member, under construction.
class Value {
public:
    Value(const Rule&, Kept&);
    Value(Value&&) noexcept;
    Value& operator=(Value&&) noexcept;
    ~Value();

    /// `value` is valid JSON without white space around it.
    void add(std::string_view value);
    bool empty() const { return raw_.empty() && !members_ && !elements_; }
    bool filled() const;
    /// As it stands, unless it grows in parts.
    std::string_view raw() const { return raw_; }
    const Members* members() const { return members_.get(); }
    const Elements* elements() const { return elements_.get(); }
    void write(std::string& out) const;

private:
    void replace(std::string_view value);
    void join(std::string_view value, char open);
    void add_object(std::string_view object);
    void add_elements(std::string_view value);

    const Rule* rule_;
    Kept* kept_;
    std::string raw_;
    std::unique_ptr<Members> members_;
    std::unique_ptr<Elements> elements_;
};

/// An object under construction: its members in the order in which they first came.
class Members {
public:
    Members(const Rules&, Kept&);

    /// Adds the members of a valid object. Of a name that stands twice in it, the last value counts.
    void add(std::string_view object);
    void add(std::string_view key, std::string_view value);
    /// Gives a member its place before it has come.
    void declare(std::initializer_list<std::string_view> names);
    /// Null if it has not come.
    const Value* find(std::string_view name) const;
    /// Its text, or empty.
    std::string_view raw(std::string_view name) const;
    std::size_t size() const { return slots_.size(); }
    /// Appends the members from the place `begin` to `end` that have come.
    void write(std::string& out, std::size_t begin = 0, std::size_t end = SIZE_MAX) const;

private:
    struct Slot {
        std::string key;  ///< with its quotes, as it was spelt first
        Value value;
        std::string_view pending;
        bool dropped = false;
    };
    Slot& slot(std::string_view key);

    const Rules* rules_;
    Kept* kept_;
    std::vector<Slot> slots_;
    Index<std::size_t> places_;
    std::vector<std::size_t> touched_;  ///< by the object that is being added
};

/// An array of objects under construction, each of which is found again by what it says about itself.
class Elements {
public:
    Elements(const Rule&, Kept&);
    void add(std::string_view array);
    /// One text of a content that has parts.
    void add_text(std::string_view text);
    void write(std::string& out) const;
    /// The `index` that each came with, in the order in which they are written.
    std::vector<std::uint64_t> orders() const;

private:
    struct Element {
        std::uint64_t order = 0;  ///< the `index` it came with
        std::string raw;          ///< if it is no object
        std::optional<Members> members;
        std::size_t round = 0;  ///< the array that opened it
    };
    /// What a delta says about the call it belongs to. Empty: nothing.
    struct CallMarks {
        std::string_view id, name, arguments;
        std::optional<std::uint64_t> index;
    };
    static CallMarks marks_of(std::string_view call);
    std::vector<const Element*> ordered() const;
    std::size_t open(std::uint64_t order);
    std::size_t find(std::string_view object, bool first);
    std::size_t find_part(std::string_view part, bool first);
    std::size_t find_detail(std::string_view detail);
    std::size_t find_call(std::string_view call);
    std::optional<std::size_t> known_call(const CallMarks&) const;
    std::optional<std::size_t> call_without_id(const CallMarks&) const;
    bool begins_another(const Members& call, const CallMarks&) const;

    const Rule* rule_;
    Kept* kept_;
    std::vector<Element> elements_;
    Index<std::size_t> by_id_;                                 ///< calls
    std::unordered_map<std::uint64_t, std::size_t> by_index_;  ///< the newest of each index
    std::size_t round_ = 0, current_ = 0;                      ///< the call that came last
};

/// The number, if it is a plain one.
std::optional<std::uint64_t> number_of(std::string_view value);
/// Valid JSON without the white space around it.
std::string_view trimmed(std::string_view json);
/// Appends to `text` and counts what that takes.
void keep(std::string& text, std::string_view more, Kept&);

}  // namespace streamkeeper::assembly_parts
