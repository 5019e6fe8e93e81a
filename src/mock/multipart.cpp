#include "mock/multipart.hpp"

#include <algorithm>

namespace streamkeeper::mock {
namespace {

constexpr std::size_t kept_value = 4096;

/// The value of `name="…"` (or unquoted, up to `;`) in a field like Content-Disposition.
std::string parameter(std::string_view field, std::string_view name) {
    for (std::size_t at = field.find(name); at != std::string_view::npos; at = field.find(name, at + 1)) {
        const std::size_t after = at + name.size();
        const bool starts = at == 0 || field[at - 1] == ' ' || field[at - 1] == ';';
        if (!starts || after >= field.size() || field[after] != '=') continue;
        std::string_view value = field.substr(after + 1);
        if (!value.empty() && value.front() == '"') return std::string(value.substr(1, value.find('"', 1) - 1));
        return std::string(value.substr(0, value.find_first_of("; \r\n")));
    }
    return {};
}

}  // namespace

Multipart::Multipart(std::string_view content_type) {
    const std::string boundary = parameter(content_type, "boundary");
    if (!boundary.empty()) delimiter_ = "\r\n--" + boundary;
}

void Multipart::feed(std::string_view bytes) {
    if (delimiter_.empty() || state_ == State::end) return;
    pending_.append(bytes);
    while (step()) {
    }
    pending_.erase(0, offset_);
    offset_ = 0;
}

const Part* Multipart::find(std::string_view name) const {
    const auto it = std::find_if(parts_.begin(), parts_.end(), [name](const Part& p) { return p.name == name; });
    return it == parts_.end() ? nullptr : &*it;
}

bool Multipart::step() {
    switch (state_) {
        case State::preamble:
        case State::content: return read_bytes();
        case State::delimiter: return read_delimiter();
        case State::head: return read_head();
        case State::end: break;
    }
    offset_ = pending_.size();
    return false;
}

bool Multipart::read_bytes() {
    const std::size_t found = pending_.find(delimiter_, offset_);
    if (found != std::string::npos) {
        keep(std::string_view(pending_).substr(offset_, found - offset_));
        offset_ = found + delimiter_.size();
        state_ = State::delimiter;
        return true;
    }
    // The tail may be the first part of a delimiter: it waits for more.
    const std::size_t left = pending_.size() - offset_;
    if (left >= delimiter_.size()) {
        const std::size_t safe = left - (delimiter_.size() - 1);
        keep(std::string_view(pending_).substr(offset_, safe));
        offset_ += safe;
    }
    return false;
}

bool Multipart::read_delimiter() {
    const std::string_view rest = std::string_view(pending_).substr(offset_);
    if (rest.size() < 2) return false;
    if (rest.substr(0, 2) == "--") {
        state_ = State::end;
        return true;
    }
    const std::size_t line = rest.find("\r\n");
    if (line == std::string_view::npos) return false;
    offset_ += line;  // the line's end stays: a part without fields then ends its head with the same two bytes
    state_ = State::head;
    return true;
}

bool Multipart::read_head() {
    const std::string_view rest = std::string_view(pending_).substr(offset_);
    const std::size_t end = rest.find("\r\n\r\n");
    if (end == std::string_view::npos) return false;
    const std::string_view head = rest.substr(0, end);
    parts_.push_back(Part{parameter(head, "name"), parameter(head, "filename"), {}, 0});
    offset_ += end + 4;
    state_ = State::content;
    return true;
}

void Multipart::keep(std::string_view bytes) {
    if (state_ != State::content) return;
    Part& part = parts_.back();
    part.bytes += bytes.size();
    if (part.value.size() < kept_value) part.value.append(bytes.substr(0, kept_value - part.value.size()));
}

}  // namespace streamkeeper::mock
