#include "llm/assembly_parts.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "llm/document_parts.hpp"
#include "llm/event_parts.hpp"

namespace streamkeeper::assembly_parts {
namespace {

using namespace document_parts;

constexpr Rules no_rules{};

const Rule& rule_of(const Rules& rules, std::string_view name) {
    static constexpr Rule others[] = {{"", Joining::last},   {"", Joining::first}, {"", Joining::filled},
                                      {"", Joining::text},   {"", Joining::list},  {"", Joining::object},
                                      {"", Joining::parts},  {"", Joining::calls}, {"", Joining::details},
                                      {"", Joining::dropped}};
    const auto rule =
        std::find_if(rules.named.begin(), rules.named.end(), [&](const Rule& known) { return known.name == name; });
    return rule != rules.named.end() ? *rule : others[static_cast<std::size_t>(rules.others)];
}

/// What a hash table needs for one entry, about.
constexpr std::size_t entry_cost = 64;

}  // namespace

std::optional<std::uint64_t> number_of(std::string_view value) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size()) return std::nullopt;
    return number;
}

std::string_view trimmed(std::string_view json) {
    constexpr std::string_view blank = " \t\r\n";
    json.remove_prefix(std::min(json.find_first_not_of(blank), json.size()));
    return json.substr(0, json.find_last_not_of(blank) + 1);
}

void keep(std::string& text, std::string_view more, Kept& kept) {
    const std::size_t before = text.capacity();
    text.append(more);
    kept += text.capacity() - before;
}

// ---- Value

Value::Value(const Rule& rule, Kept& kept) : rule_(&rule), kept_(&kept) {}
Value::Value(Value&&) noexcept = default;
Value& Value::operator=(Value&&) noexcept = default;
Value::~Value() = default;

void Value::add(std::string_view value) {
    if (value == "null" && !empty()) return;
    switch (rule_->joining) {
        case Joining::last: return replace(value);
        case Joining::first:
            if (!filled()) replace(value);
            return;
        case Joining::filled:
            if (empty() || event_parts::filled(value)) replace(value);
            return;
        case Joining::text: return join(value, '"');
        case Joining::list: return join(value, '[');
        case Joining::object: return add_object(value);
        case Joining::parts:
        case Joining::calls:
        case Joining::details: return add_elements(value);
        case Joining::dropped: return;
    }
}

bool Value::filled() const { return members_ || elements_ || event_parts::filled(raw_); }

void Value::replace(std::string_view value) {
    members_.reset();
    elements_.reset();
    // A much shorter value would otherwise keep the place of the longer one.
    if (raw_.capacity() > 2 * value.size() + 64) {
        *kept_ -= raw_.capacity();
        raw_ = std::string();
        *kept_ += raw_.capacity();
    }
    raw_.clear();
    keep(raw_, value, *kept_);
}

/// A value is always whole: its closing mark gives way to what is joined.
void Value::join(std::string_view value, char open) {
    if (!value.starts_with(open) || !raw_.starts_with(open)) {
        // What says nothing takes nobody's place: "" after an array of parts.
        if (empty() || !filled() || event_parts::filled(value)) replace(value);
        return;
    }
    value = value.substr(1, value.size() - 2);
    if (open == '[') value = trimmed(value);
    if (value.empty()) return;
    const char close = raw_.back();
    raw_.pop_back();
    if (open == '[' && trimmed(raw_) != "[") keep(raw_, ",", *kept_);
    keep(raw_, value, *kept_);
    raw_ += close;
}

void Value::add_object(std::string_view object) {
    if (!is_object(object)) return replace(object);
    if (!members_) {
        replace({});
        members_ = std::make_unique<Members>(rule_->members != nullptr ? *rule_->members : no_rules, *kept_);
        *kept_ += sizeof(Members);
    }
    members_->add(object);
}

void Value::add_elements(std::string_view value) {
    const bool parts = rule_->joining == Joining::parts;
    if (parts && elements_ && is_string(value)) return elements_->add_text(value);
    if (!is_array(value)) return parts ? join(value, '"') : replace(value);
    if (!elements_) {
        const std::string text = parts && has_text(raw_) ? raw_ : std::string();
        replace({});
        elements_ = std::make_unique<Elements>(*rule_, *kept_);
        *kept_ += sizeof(Elements);
        if (!text.empty()) elements_->add_text(text);
    }
    elements_->add(value);
}

void Value::write(std::string& out) const {
    if (members_) {
        out += '{';
        members_->write(out);
        out += '}';
    } else if (elements_) {
        elements_->write(out);
    } else {
        out += raw_;
    }
}

// ---- Members

Members::Members(const Rules& rules, Kept& kept) : rules_(&rules), kept_(&kept) {}

Members::Slot& Members::slot(std::string_view key) {
    std::string unescaped;
    std::string_view name = key.substr(1, key.size() - 2);
    if (name.find('\\') != name.npos) name = unescaped = json::unquote(key);
    const auto known = places_.find(name);
    if (known != places_.end()) return slots_[known->second];
    places_.emplace(name, slots_.size());
    const Rule& rule = rule_of(*rules_, name);
    slots_.push_back({std::string(key), Value(rule, *kept_), {}, rule.joining == Joining::dropped});
    *kept_ += 2 * sizeof(Slot) + 2 * key.size() + entry_cost;
    return slots_.back();
}

void Members::add(std::string_view object) {
    touched_.clear();
    for (json::MemberCursor at{object, {}, {}}; json::next_member(at);) {
        if (at.value.empty()) continue;
        Slot& member = slot(at.key);
        if (member.dropped) continue;
        if (member.pending.empty()) touched_.push_back(static_cast<std::size_t>(&member - slots_.data()));
        member.pending = at.value;
    }
    for (const std::size_t place : touched_) slots_[place].value.add(std::exchange(slots_[place].pending, {}));
}

void Members::add(std::string_view key, std::string_view value) { slot(key).value.add(value); }

void Members::declare(std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) slot(json::quote(name));
}

const Value* Members::find(std::string_view name) const {
    const auto known = places_.find(name);
    if (known == places_.end() || slots_[known->second].value.empty()) return nullptr;
    return &slots_[known->second].value;
}

std::string_view Members::raw(std::string_view name) const {
    const Value* value = find(name);
    return value != nullptr ? value->raw() : std::string_view();
}

void Members::write(std::string& out, std::size_t begin, std::size_t end) const {
    for (std::size_t place = begin; place < std::min(end, slots_.size()); ++place) {
        const Slot& member = slots_[place];
        if (member.value.empty()) continue;
        if (out.back() != '{') out += ',';
        out.append(member.key).append(":");
        member.value.write(out);
    }
}

}  // namespace streamkeeper::assembly_parts
