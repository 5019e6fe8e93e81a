#include "policy/correction.hpp"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <vector>

namespace streamkeeper {

namespace {

std::string plain(std::string_view name) {
    std::string letters;
    for (const char c : name)
        if (c != ' ' && c != '-' && c != '_' && c != '.')
            letters.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    return letters;
}

/// Levenshtein's distance; names are short.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t corner = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, corner + (a[i - 1] == b[j - 1] ? 0 : 1)});
            corner = above;
        }
    }
    return row[b.size()];
}

}  // namespace

std::optional<std::string_view> correction(std::string_view asked, std::span<const std::string_view> ids,
                                           ModelNames names) {
    if (std::find(ids.begin(), ids.end(), asked) != ids.end()) return asked;
    if (names == ModelNames::exact) return std::nullopt;
    const std::string wanted = plain(asked);
    std::optional<std::string_view> found;
    for (const std::string_view id : ids) {
        if (plain(id) != wanted) continue;
        if (found && *found != id) return std::nullopt;
        found = id;
    }
    return found;
}

std::string nearest_names(std::string_view asked, std::span<const std::string_view> ids) {
    constexpr std::size_t most = 3, longest = 128;
    const std::string wanted = plain(asked.substr(0, longest));
    std::vector<std::pair<std::size_t, std::string_view>> ranked;
    for (const std::string_view id : ids) ranked.push_back({distance(wanted, plain(id.substr(0, longest))), id});
    const std::size_t count = std::min(most, ranked.size());
    std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(count), ranked.end());
    std::string text;
    for (std::size_t i = 0; i < count; ++i)
        text.append(i == 0 ? "Did you mean " : i + 1 == count ? " or " : ", ").append(ranked[i].second);
    return text.empty() ? text : text + "?";
}

}  // namespace streamkeeper
