#include "mock/rewriting.hpp"

#include <array>
#include <cstdio>
#include <utility>
#include <vector>

namespace streamkeeper::mock {
namespace {

constexpr std::string_view done = "data: [DONE]\n\n";

bool is_tail(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }

/// Half of an event, up to a whole character.
std::string half_of(const std::string& event) {
    std::size_t end = event.size() / 2;
    while (end != 0 && is_tail(event[end])) --end;
    return event.substr(0, end);
}

void append_unit(std::string& out, unsigned unit) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "\\u%04x", unit);
    out += text.data();
}

/// UTF-8 stands only inside strings in JSON, so no more has to be known of it.
std::string escaped(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const auto first = static_cast<unsigned char>(text[at]);
        if (first < 0x80) {
            out += text[at++];
            continue;
        }
        const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        unsigned code = first & (0xffU >> (size + 1));
        for (std::size_t i = 1; i < size && at + i < text.size(); ++i)
            code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3fU);
        at += size;
        if (code < 0x10000) {
            append_unit(out, code);
        } else {
            append_unit(out, 0xd800U + ((code - 0x10000U) >> 10));
            append_unit(out, 0xdc00U + ((code - 0x10000U) & 0x3ffU));
        }
    }
    return out;
}

/// JSON with a line end behind every bracket and comma; the insides of strings stay.
std::vector<std::string> lines_of(std::string_view json) {
    std::vector<std::string> lines(1);
    bool inside = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        lines.back() += json[i];
        if (inside && json[i] == '\\' && i + 1 < json.size()) {
            lines.back() += json[++i];
        } else if (json[i] == '"') {
            inside = !inside;
        } else if (!inside && (json[i] == '{' || json[i] == '[' || json[i] == ',')) {
            lines.emplace_back();
        }
    }
    if (lines.back().empty()) lines.pop_back();
    return lines;
}

class Rewriter {
public:
    explicit Rewriter(const Rewriting& wish) : wish_(wish) {}

    std::string event(std::string_view text, std::size_t number, bool last) const {
        if (text == done && wish_.no_done) return {};
        std::string out;
        if (wish_.comments && number % 3 == 0) out += ": OPENROUTER PROCESSING\n\n";
        if (wish_.comments && number % 4 == 1) out += "\n\n";
        if (wish_.ids) out += "id: " + std::to_string(number) + "\nretry: 3000\n";
        while (!text.empty()) {
            const std::size_t end = text.find('\n');
            line(out, text.substr(0, end));
            text.remove_prefix(end == text.npos ? text.size() : end + 1);
        }
        if (last && wish_.no_blank_at_end && out.ends_with("\n\n")) out.pop_back();
        return (wish_.bom && number == 0 ? "\xef\xbb\xbf" : "") + ended(out);
    }

private:
    void line(std::string& out, std::string_view line) const {
        const std::size_t colon = line.find(": ");
        if (colon == line.npos) {
            out.append(line).append("\n");
            return;
        }
        const std::string name(line.substr(0, colon)), gap = wish_.no_space ? ":" : ": ";
        const std::string_view value = line.substr(colon + 2);
        if (wish_.comments) out += ":inside\n";
        const bool json = name == "data" && value.starts_with("{");
        if (json && wish_.empty_data_first) out += "data:\n";
        if (json && wish_.multi_line) {
            for (const std::string& each : lines_of(value)) out.append(name).append(gap).append(each).append("\n");
        } else {
            out.append(name).append(gap).append(value).append("\n");
        }
    }

    std::string ended(const std::string& text) const {
        if (!wish_.crlf && !wish_.cr) return text;
        std::string out;
        for (const char c : text)
            if (c == '\n')
                out += wish_.crlf ? "\r\n" : "\r";
            else
                out += c;
        return out;
    }

    Rewriting wish_;
};

bool is_lines(const Rewriting& wish) {
    return wish.crlf || wish.cr || wish.bom || wish.comments || wish.no_space || wish.no_done || wish.multi_line ||
           wish.ids || wish.no_blank_at_end || wish.empty_data_first;
}

/// The last event before usage and `[DONE]`: behind the one that finishes nothing comes any more.
void end_at_finish(Answer& answer) {
    for (std::size_t step = answer.events; step-- > 0;) {
        std::string text;
        answer.event(step, text);
        const bool usage = text.find(R"("choices":[],)") != text.npos;
        if (text == done || usage) continue;
        answer.events = step + 1;
        return;
    }
}

}  // namespace

void break_inside(Answer& answer, const Fault& fault) {
    if (!answer.event) return;
    if (fault.early_done) {
        const std::size_t before = std::min(*fault.early_done, answer.events);
        answer.events = before + 1;
        answer.event = [event = std::move(answer.event), before](std::size_t step, std::string& out) {
            if (step < before) return event(step, out);
            out += done;
            return false;
        };
    }
    const auto broken = fault.torn ? fault.torn : fault.garbage;
    if (!broken || *broken >= answer.events) return;
    if (fault.torn) answer.events = *broken + 1;
    const std::string_view end = fault.torn ? "" : "\n\n";
    answer.event = [event = std::move(answer.event), at = *broken, end](std::size_t step, std::string& out) {
        if (step != at) return event(step, out);
        std::string whole;
        event(step, whole);
        out.append(half_of(whole)).append(end);
        return false;
    };
}

void rewrite(Answer& answer, const Rewriting& wish) {
    answer.gzip = wish.gzip;
    answer.http10 = wish.http10;
    answer.coalesce = std::max<std::size_t>(wish.coalesce, 1);
    if (!answer.event) return;
    if (wish.finish_no_done) end_at_finish(answer);
    if (!is_lines(wish)) return;
    answer.event = [event = std::move(answer.event), rewriter = Rewriter(wish), events = answer.events](
                       std::size_t step, std::string& out) {
        std::string text;
        const bool is_token = event(step, text);
        out += rewriter.event(text, step, step + 1 == events);
        return is_token;
    };
}

void escape_all(Answer& answer) {
    if (!answer.event) {
        answer.body = escaped(answer.body);
        return;
    }
    answer.event = [event = std::move(answer.event)](std::size_t step, std::string& out) {
        std::string text;
        const bool is_token = event(step, text);
        out += escaped(text);
        return is_token;
    };
}

}  // namespace streamkeeper::mock
