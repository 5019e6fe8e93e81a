// Arrays that come in pieces: which element a piece belongs to.

#include <algorithm>

#include "llm/assembly_parts.hpp"
#include "llm/document_parts.hpp"
#include "llm/event_parts.hpp"

namespace streamkeeper::assembly_parts {
namespace {

using namespace document_parts;
using event_parts::bare;

constexpr Rules no_rules{};

/// Parts of which a stream brings one in many pieces. Pictures and files come whole.
bool grows(std::string_view type) {
    constexpr std::string_view types[] = {"\"text\"", "\"thinking\"", "\"reasoning\"", "\"summary_text\""};
    return std::find(std::begin(types), std::end(types), type) != std::end(types);
}

/// Two values that both say something, and not the same.
bool differ(std::string_view a, std::string_view b) {
    return event_parts::filled(a) && event_parts::filled(b) && a != b;
}

std::string_view raw_in(const Members& call, std::string_view name) {
    for (const std::string_view kind : {"function", "custom"})
        if (const Value* inner = call.find(kind); inner != nullptr && inner->members() != nullptr)
            if (const std::string_view value = inner->members()->raw(name); !value.empty()) return value;
    return {};
}

}  // namespace

Elements::Elements(const Rule& rule, Kept& kept) : rule_(&rule), kept_(&kept) {}

std::size_t Elements::open(std::uint64_t order) {
    const std::size_t before = elements_.capacity();
    elements_.emplace_back().order = order;
    elements_.back().members.emplace(rule_->members != nullptr ? *rule_->members : no_rules, *kept_);
    elements_.back().round = round_;
    *kept_ += (elements_.capacity() - before) * sizeof(Element);
    return elements_.size() - 1;
}

void Elements::add(std::string_view array) {
    ++round_;
    bool first = true;
    for (const std::string_view element : elements(array)) {
        if (is_object(element)) {
            const std::size_t place = find(element, first);
            elements_[place].members->add(element);
        } else {
            Element& whole = elements_[open(elements_.empty() ? 0 : elements_.back().order)];
            whole.members.reset();
            keep(whole.raw, element, *kept_);
        }
        first = false;
    }
}

void Elements::add_text(std::string_view text) {
    if (!has_text(text)) return;
    std::string array = R"([{"type":"text","text":)";
    add(array.append(text).append("}]"));
}

std::size_t Elements::find(std::string_view object, bool first) {
    if (rule_->joining == Joining::parts) return find_part(object, first);
    return rule_->joining == Joining::calls ? find_call(object) : find_detail(object);
}

/// Mistral and Databricks stream parts: the first of a chunk goes on with the last one of the same type.
std::size_t Elements::find_part(std::string_view part, bool first) {
    if (first && !elements_.empty() && elements_.back().members) {
        const std::string_view type = Fields(part).find("type");
        if (grows(type) && elements_.back().members->raw("type") == type) return elements_.size() - 1;
    }
    return open(0);
}

/// OpenRouter writes `index` 0 for what becomes several entries, a summary and its encrypted form: so a new type, or a
/// new id, is a new entry. The entries of one chunk are several too.
std::size_t Elements::find_detail(std::string_view detail) {
    const Fields fields(detail);
    const auto index = number_of(fields.find("index"));
    if (!index) return open(0);
    const auto known = by_index_.find(*index);
    if (known != by_index_.end() && elements_[known->second].round != round_) {
        const Members& entry = *elements_[known->second].members;
        if (!differ(entry.raw("type"), fields.find("type")) && !differ(entry.raw("id"), fields.find("id")))
            return known->second;
    }
    if (by_index_.insert_or_assign(*index, elements_.size()).second) *kept_ += 48;
    return open(0);
}

Elements::CallMarks Elements::marks_of(std::string_view call) {
    const Fields fields(call);
    CallMarks marks{bare(fields.find("id")), {}, {}, number_of(fields.find("index"))};
    for (const std::string_view kind : {"function", "custom"}) {
        const Fields inner(fields.find(kind));
        if (marks.name.empty()) marks.name = bare(inner.find("name"));
        if (marks.arguments.empty()) marks.arguments = bare(inner.find(kind == "custom" ? "input" : "arguments"));
    }
    return marks;
}

/// The index decides, but not alone: vendors leave it out (Gemini), write 0 for every call (Ollama), or number the
/// pieces of one call differently. An id that is new is a new call, one that is known is its own call.
std::size_t Elements::find_call(std::string_view call) {
    const CallMarks marks = marks_of(call);
    const auto known = known_call(marks);
    const std::uint64_t last = elements_.empty() ? 0 : elements_.back().order;
    const std::size_t place = known ? *known : open(marks.index.value_or(last));
    if (marks.index) {
        const auto [number, added] = by_index_.try_emplace(*marks.index, place);
        if (added) *kept_ += 48;
        if (!known) number->second = place;  // the wrong number of a known call does not hide the call of that number
    }
    if (!marks.id.empty() && by_id_.insert_or_assign(std::string(marks.id), place).second)
        *kept_ += marks.id.size() + 64;
    current_ = place;
    return place;
}

std::optional<std::size_t> Elements::known_call(const CallMarks& marks) const {
    if (marks.id.empty()) return call_without_id(marks);
    const auto same_index = marks.index ? by_index_.find(*marks.index) : by_index_.end();
    if (const auto same_id = by_id_.find(marks.id); same_id != by_id_.end()) {
        // Servers that give every call the same id number them.
        const bool another = marks.index && same_index == by_index_.end() && !marks.name.empty();
        if (another) return std::nullopt;
        const bool both =
            same_index != by_index_.end() && bare(elements_[same_index->second].members->raw("id")) == marks.id;
        return both ? same_index->second : same_id->second;
    }
    // The id may come after the call has begun.
    if (same_index == by_index_.end()) return std::nullopt;
    const Members& call = *elements_[same_index->second].members;
    if (!bare(call.raw("id")).empty() || begins_another(call, marks)) return std::nullopt;
    return same_index->second;
}

/// A piece without an id belongs to the call of its index; if that is unknown, or missing, to the call that came last,
/// unless it begins one itself.
std::optional<std::size_t> Elements::call_without_id(const CallMarks& marks) const {
    if (elements_.empty()) return std::nullopt;
    if (marks.index) {
        const auto same_index = by_index_.find(*marks.index);
        if (same_index == by_index_.end() && !marks.name.empty()) return std::nullopt;
        if (same_index != by_index_.end()) {
            const Members& call = *elements_[same_index->second].members;
            return begins_another(call, marks) ? std::nullopt : std::optional(same_index->second);
        }
    }
    if (!elements_[current_].members) return std::nullopt;
    const Members& current = *elements_[current_].members;
    const bool anew = marks.arguments.starts_with('{') && bare(raw_in(current, "arguments")).ends_with('}');
    if (begins_another(current, marks) || (marks.index && anew)) return std::nullopt;
    return current_;
}

/// Where neither id nor index tells calls apart: another name, or arguments that begin again with a name. A server that
/// gave the call an id gives the next one an id too, and only repeats the name.
bool Elements::begins_another(const Members& call, const CallMarks& marks) const {
    const std::string_view name = bare(raw_in(call, "name"));
    if (marks.name.empty() || name.empty()) return false;
    if (marks.name != name) return true;
    const bool nameless = bare(call.raw("id")).empty();
    return nameless && marks.arguments.starts_with('{') && !bare(raw_in(call, "arguments")).empty();
}

std::vector<const Elements::Element*> Elements::ordered() const {
    std::vector<const Element*> ordered;
    for (const Element& element : elements_) ordered.push_back(&element);
    std::stable_sort(ordered.begin(), ordered.end(),
                     [](const Element* a, const Element* b) { return a->order < b->order; });
    return ordered;
}

std::vector<std::uint64_t> Elements::orders() const {
    std::vector<std::uint64_t> orders;
    for (const Element* element : ordered()) orders.push_back(element->order);
    return orders;
}

void Elements::write(std::string& out) const {
    const std::vector<const Element*> ordered = this->ordered();
    out += '[';
    for (const Element* element : ordered) {
        if (element != ordered.front()) out += ',';
        out += element->raw;
        if (!element->members) continue;
        out += '{';
        element->members->write(out);
        out += '}';
    }
    out += ']';
}

}  // namespace streamkeeper::assembly_parts
