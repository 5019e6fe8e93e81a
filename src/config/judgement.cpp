// What the table says of a value or of a key that a file has.
#include <algorithm>
#include <charconv>
#include <numeric>

#include "address.hpp"
#include "schema.hpp"
#include "values.hpp"

namespace streamkeeper::configuration {
namespace {

std::string listed(std::string_view choices) {
    std::string text;
    const auto words = split(choices, '|');
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
        text += '`' + std::string(words[i]) + '`';
    }
    return text;
}

std::string choice_refusal(const Entry& entry, std::string_view text) {
    const auto words = split(entry.choices, '|');
    if (std::find(words.begin(), words.end(), text) != words.end()) return {};
    const std::string_view near = nearest(text, words);
    return "must be " + listed(entry.choices) +
           (near.empty() ? std::string() : "; did you mean `" + std::string(near) + "`?");
}

std::string number_refusal(const Entry& entry, std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size() && value >= entry.lowest && value <= entry.highest) {
        return {};
    }
    return "must be a whole number from " + std::to_string(entry.lowest) + " to " + std::to_string(entry.highest);
}

std::string size_refusal(const Entry& entry, std::string_view text) {
    const auto size = parse_size(text);
    if (!size) return "must be a size such as `64KiB`, `64MiB`, `1GiB` or a number of bytes";
    if (*size >= static_cast<Bytes>(entry.lowest) && *size <= static_cast<Bytes>(entry.highest)) return {};
    return "must be from " + format_size(static_cast<Bytes>(entry.lowest)) + " to " +
           format_size(static_cast<Bytes>(entry.highest));
}

std::string duration_refusal(const Entry& entry, std::string_view text) {
    const auto duration = parse_duration(text);
    if (!duration) {
        return std::string("must be a duration such as `250ms`, `5s`, `10m` or `2h` (one unit, no fraction)") +
               (entry.bounded() ? "" : ", or `off`");
    }
    if (duration->count() > entry.lowest && duration->count() <= entry.highest) return {};
    if (entry.bounded()) return "must be longer than 0 and at most " + format_duration(Duration(entry.highest));
    return "must be longer than 0, or `off`";
}

std::string listen_refusal(std::string_view text) {
    if (parse_listen(text)) return {};
    return "must be `ADDRESS:PORT` with an IP address (`127.0.0.1:8817`), `[IPV6]:PORT`, or `unix:/path` (at most 107 "
           "bytes)";
}

std::string proxy_refusal(std::string_view text) {
    if (text == "env" || text == "none") return {};
    const auto url = parse_base_url(text);
    if (url && !url->tls && url->path.empty()) return {};
    return "must be `env`, `none` or `http://host:port`";
}

/// What may be a model's name, or an upstream's and a model's with `/` between them.
std::string chain_refusal(std::string_view text) {
    if (text.empty() || text.find('\0') != text.npos) return "must not be empty";
    if (!text.starts_with('/') && !text.ends_with('/')) return {};
    return "must be a model's name, or `UPSTREAM/MODEL`";
}

std::string name_refusal(std::string_view text) {
    return is_name(text) ? std::string() : "must be a name: " + std::string(name_rule);
}

/// Damerau's distance in its restricted form: a swap of neighbours, the commonest slip, counts once.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before, last(b.size() + 1), row(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, change});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before = last;
        last = row;
    }
    return last[b.size()];
}

/// The least deep entry with this last part, the table's first of several: overrides lie deeper than what they
/// override.
const Entry* home_of(std::string_view key) {
    const Entry* best = nullptr;
    const auto depth = [](const Entry& entry) { return std::count(entry.path.begin(), entry.path.end(), '.'); };
    for (const Entry& entry : entries()) {
        if (entry.leaf() != key || key == "NAME") continue;
        if (best == nullptr || depth(entry) < depth(*best)) best = &entry;
    }
    return best;
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == text.npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::string refusal(const Entry& entry, std::string_view text) {
    switch (entry.kind) {
        case Kind::listens: return listen_refusal(text);
        case Kind::hosts: return host_refusal(text);
        case Kind::origins: return origin_refusal(text);
        case Kind::chain: return chain_refusal(text);
        case Kind::words: return text.find('\0') == text.npos ? "" : "must not contain NUL";
        case Kind::listen: return text == "same" ? "" : listen_refusal(text);
        case Kind::name: return name_refusal(text);
        case Kind::text:
        case Kind::path: return text.empty() || text.find('\0') != text.npos ? "must not be empty" : "";
        case Kind::url: return read_base_url(text).reason;
        case Kind::proxy: return proxy_refusal(text);
        case Kind::choice: return choice_refusal(entry, text);
        case Kind::flag: return text == "true" || text == "false" ? "" : "must be `true` or `false`";
        case Kind::number: return number_refusal(entry, text);
        case Kind::size: return size_refusal(entry, text);
        case Kind::duration: return duration_refusal(entry, text);
        case Kind::map:
        case Kind::names:
        case Kind::list: break;
    }
    return "must not be a single value";
}

std::string unknown_key(std::string_view path, std::string_view key) {
    std::vector<std::string_view> siblings;
    for (const Entry* entry : children(path)) siblings.push_back(entry->leaf());
    if (const std::string_view near = nearest(key, siblings); !near.empty()) {
        return "is not a known key; did you mean `" + std::string(near) + "`?";
    }
    if (const Entry* home = home_of(key)) return "is not a known key here; it belongs at `" + home->path + "`";
    return "is not a known key";
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    std::string_view best;
    if (word.size() > 64) return best;
    const std::string lower = lower_case(word);
    std::size_t least = std::max<std::size_t>(1, std::min<std::size_t>(3, word.size() / 3)) + 1;
    for (const std::string_view candidate : candidates) {
        const std::size_t steps = distance(lower, lower_case(candidate));
        if (steps < least) least = steps, best = candidate;
    }
    return best;
}

}  // namespace streamkeeper::configuration
