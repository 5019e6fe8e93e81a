#include "cli/demo_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string_view>

#include "cli/demo_client.hpp"
#include "cli/demo_voice.hpp"

namespace streamkeeper::demo {
namespace {

struct Series {
    std::string_view name, labels;
    double value = 0;
};

/// One line; the demo's label values hold neither quotes nor braces.
Series read(std::string_view line) {
    const std::size_t name = line.find_first_of("{ "), value = line.rfind(' ');
    Series series;
    series.name = line.substr(0, name);
    if (line[name] == '{') series.labels = line.substr(name + 1, line.rfind('}') - name - 1);
    series.value = std::strtod(std::string(line.substr(value + 1)).c_str(), nullptr);
    return series;
}

std::vector<Series> read_all(std::string_view text) {
    std::vector<Series> all;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        if (!line.empty() && line[0] != '#') all.push_back(read(line));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
    }
    return all;
}

std::string label_of(std::string_view labels, const std::string& name) {
    std::size_t at = labels.starts_with(name + "=\"") ? 0 : labels.find("," + name + "=\"");
    if (at == labels.npos) return {};
    at = labels.find('"', at) + 1;
    return std::string(labels.substr(at, labels.find('"', at) - at));
}

/// Which series are worth a row, summed over all labels but these.
struct Row {
    const char* name;
    std::vector<std::string> labels;
};
const std::vector<Row> rows = {
    {"requests_total", {"code", "outcome"}},
    {"upstream_attempts_total", {"code"}},
    {"upstream_errors_total", {"class", "reason"}},
    {"retries_total", {"reason"}},
    {"resumes_total", {"strategy", "outcome"}},
    {"resume_gap_seconds_count", {}},
    {"resume_gap_seconds_sum", {}},
    {"fallbacks_total", {"to", "reason"}},
    {"wait_seconds_count", {"cause"}},
    {"wait_seconds_sum", {"cause"}},
    {"key_usable", {"key"}},
    {"tokens_total", {"kind"}},
    {"stream_ends_total", {"how"}},
    {"time_to_first_token_seconds_count", {}},
};

std::string padded(std::string text, std::size_t width, bool right) {
    if (text.size() >= width) return text;
    const std::string blank(width - text.size(), ' ');
    return right ? blank + text : text + blank;
}

/// The label values under which a family counts, each combination once, in order.
std::set<Wanted> combinations(const std::string& metrics, const std::string& name,
                              const std::vector<std::string>& names) {
    std::set<Wanted> all;
    for (const Series& series : read_all(metrics)) {
        if (series.name != name) continue;
        Wanted labels;
        for (const std::string& label : names) labels.emplace_back(label, label_of(series.labels, label));
        all.insert(std::move(labels));
    }
    return all;
}

std::string shown(const Wanted& labels) {
    std::string text;
    for (const auto& [name, value] : labels) text += (text.empty() ? "{" : ",") + name + "=\"" + value + "\"";
    return text.empty() ? text : text + "}";
}

/// Whole where it is, else with one decimal, or three of a fraction of a second.
std::string shown(double value) {
    char text[32];
    std::snprintf(text, sizeof text, value == std::floor(value) ? "%.0f" : value < 1 ? "%.3f" : "%.1f", value);
    return text;
}

struct Mark {
    const char* name;
    Wanted labels;
    double least, most;
    const char* what;
};
constexpr double any = 1e9;
const std::vector<Mark> marks = {
    {"requests_total", {{"outcome", "ok"}, {"model", "mock-1"}}, 6, 6, "the six good chats with mock-1"},
    {"upstream_errors_total", {{"reason", "model_not_found"}}, 2, 2, "the vendor's two 404"},
    {"requests_total", {{"outcome", "aborted"}}, 1, 1, "the stream that could not be resumed"},
    {"stream_ends_total", {}, 7, 7, "the seven streams"},
    {"stream_ends_total", {{"how", "truncated"}}, 1, 1, "the one of them that was left open"},
    {"resumes_total", {{"strategy", "prefix"}, {"outcome", "ok"}}, 2, 2, "the two answers that were gone on with"},
    {"resumes_total", {}, 2, 2, "that there was no other"},
    {"resume_gap_seconds_count", {}, 2, 2, "their two gaps"},
    {"tokens_total", {{"kind", "output"}}, 25, any, "the output"},
    {"retries_total", {{"reason", "rate_limit"}}, 2, 2, "the two 429 that were waited out"},
    {"retries_total", {{"reason", "overload"}}, 3, 3, "the 503 that were tried again"},
    {"retries_total", {{"reason", "billing"}}, 1, 1, "the second key's call"},
    {"fallbacks_total", {{"to", "second/steady-1"}}, 1, 1, "the move along the chain"},
    {"wait_seconds_sum", {{"cause", "rate_limit"}}, 4, any, "the two waits of two seconds"},
    {"key_usable", {{"key", "main"}}, 0, 0, "that key `main` is used up"},
    {"key_usable", {{"key", "spare"}}, 1, 1, "that key `spare` is usable"},
};

}  // namespace

double sum(const std::string& metrics, const std::string& name, const Wanted& labels) {
    double total = 0;
    for (const Series& series : read_all(metrics)) {
        const bool fits = std::all_of(labels.begin(), labels.end(), [&](const auto& wanted) {
            return label_of(series.labels, wanted.first) == wanted.second;
        });
        if (series.name == name && fits) total += series.value;
    }
    return total;
}

void show_moved(Voice& say, const std::string& before, const std::string& after) {
    constexpr std::size_t name_width = 72, value_width = 9;
    const auto value = [](const std::string& text) { return padded(text, value_width, true); };
    say.row(say.dim(padded("streamkeeper_…", name_width + 2, false) + value("before") + value("after")));
    for (const Row& row : rows) {
        const std::string full = std::string("streamkeeper_") + row.name;
        for (const Wanted& labels : combinations(after, full, row.labels)) {
            const std::string was = shown(sum(before, full, labels)), is = shown(sum(after, full, labels));
            if (was != is) say.row(padded(row.name + shown(labels), name_width, false) + value(was) + value(is));
        }
    }
}

void check_moved(const std::string& after) {
    for (const Mark& mark : marks) {
        const double value = sum(after, std::string("streamkeeper_") + mark.name, mark.labels);
        if (value < mark.least || value > mark.most)
            throw Failure(mark.name + shown(mark.labels) + " is " + shown(value) + " and does not count " + mark.what);
    }
}

}  // namespace streamkeeper::demo
