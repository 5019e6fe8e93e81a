// What streamkeeper would do about one response, found by the code that the daemon runs.
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "cli/answer_outcome.hpp"
#include "cli/raw_response.hpp"
#include "cli/verbs.hpp"
#include "http/utf8.hpp"
#include "policy/moments.hpp"
#include "streamkeeper/json_scan.hpp"
#include "streamkeeper/judge.hpp"

namespace streamkeeper {
namespace {

using SystemTime = std::chrono::system_clock::time_point;

int wrong(const std::string& what) {
    std::fprintf(stderr, "streamkeeper explain: %s\n", what.c_str());
    return 2;
}

int print(const std::string& text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
    if (!written) std::fputs("streamkeeper: stdout could not be written\n", stderr);
    return written ? 0 : 1;
}

/// Seconds since 1970, until the year 2100.
std::optional<SystemTime> moment_of(const std::string& text) {
    using namespace std::chrono_literals;
    const std::optional<moments::Length> since = moments::number(text, 1s);
    if (!since || *since < 0s || *since > 4'102'444'800s) return std::nullopt;
    return SystemTime(std::chrono::duration_cast<SystemTime::duration>(*since));
}

std::optional<std::string> read_all(const std::string& file) {
    if (file.empty() || file == "-") {
        if (file.empty() && isatty(STDIN_FILENO) == 1)
            std::fputs("paste one HTTP response, as `curl -i` prints it, and end with Ctrl-D\n", stderr);
        return std::string(std::istreambuf_iterator<char>(std::cin), {});
    }
    std::ifstream in(file, std::ios::binary);
    std::string text;
    char part[65536];
    while (in.read(part, sizeof part) || in.gcount() > 0) text.append(part, static_cast<std::size_t>(in.gcount()));
    return in.is_open() && in.eof() ? std::optional(std::move(text)) : std::nullopt;
}

/// The judgement of an answer, or of one that is no failure: then the class is "none" and there is no reason.
struct Explanation {
    std::string_view verdict = "none", meaning, row, source, reason;
    std::optional<Wait> wait;
    std::string_view hint = "The answer is healthy: it goes to the client as it is.";
};

std::string_view meaning_of(const Judgement& judged) {
    if (judged.row == "N5") return "the stream is resumed where that is exact, else it ends loudly";
    if (judged.row == "R6") return "the same request is sent again at once, without stream_options";
    switch (judged.verdict) {
        case Verdict::retry_same: return "the same request is sent again, after a pause";
        case Verdict::retry_after_wait:
            return "the request waits as long as asked and is sent again; other keys and models may go at once";
        case Verdict::other_key: return "another key is tried, then another model";
        case Verdict::other_model: return "another model is tried";
        case Verdict::refresh_model_list:
            return "the model list is fetched; a name in it that fits is tried, else another model";
        case Verdict::fail_now:
            return "the same upstream is not asked again; the client gets the error, unless "
                   "another upstream can take over";
    }
    return {};
}

Explanation explain(const Outcome& outcome) {
    const Judgement judged = judge(outcome);
    Explanation told{
        verdict_name(judged.verdict), meaning_of(judged), judged.row, {}, judged.reason, judged.wait, judged.hint};
    for (const Rule& rule : rules())
        if (rule.row == judged.row) told.source = rule.source;
    return told;
}

/// "17", "0.174": no digit more than there is.
std::string seconds_text(Wait wait) {
    const auto micros = wait.count();
    std::string text = std::to_string(micros / 1'000'000);
    if (micros % 1'000'000 == 0) return text;
    text += "." + std::to_string(1'000'000 + micros % 1'000'000).substr(1);
    return text.substr(0, text.find_last_not_of('0') + 1);
}

std::string as_json(const Explanation& told) {
    return "{\"class\":" + json::quote(told.verdict) + ",\"reason\":" + json::quote(told.reason) +
           ",\"wait_s\":" + (told.wait ? seconds_text(*told.wait) : "null") + ",\"hint\":" + json::quote(told.hint) +
           "}\n";
}

/// A vendor's words on a terminal: one line, no control bytes (C0, DEL and C1, which are C2 80 to C2 9F in UTF-8).
std::string shown(std::string_view message) {
    constexpr std::size_t longest = 200;
    std::string text(utf8::cut(message, longest));
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const bool c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
        if (c1) text.replace(i, 2, " ");
        if (byte < 0x20 || byte == 0x7f) text[i] = ' ';
    }
    return json::quote(text) + (message.size() > longest ? "…" : "");
}

std::string as_text(int status, const VendorError& error, const Explanation& told) {
    std::string text = "answer   HTTP " + std::to_string(status);
    if (error.found() && error.eff_status != status) text += ", meant as " + std::to_string(error.eff_status);
    if (!error.message.empty()) text += ": " + shown(error.message);
    text.append("\nverdict  ").append(told.verdict);
    if (!told.meaning.empty()) text.append(": ").append(told.meaning);
    if (told.wait) text += "\nwait     " + seconds_text(*told.wait) + " s";
    if (!told.reason.empty()) text.append("\nreason   ").append(told.reason);
    if (!told.row.empty()) text.append("\nrule     ").append(told.row).append(" (").append(told.source).append(")");
    return text.append("\nhint     ").append(told.hint).append("\n");
}

}  // namespace

int run_explain(const std::string& file, bool as_one_line, const std::string& now_text) {
    SystemTime now = std::chrono::system_clock::now();
    if (!now_text.empty()) {
        const std::optional<SystemTime> given = moment_of(now_text);
        if (!given) return wrong("--now takes seconds since 1970, like 1703894355, not '" + now_text + "'");
        now = *given;
    }
    const std::optional<std::string> text = read_all(file);
    if (!text) return wrong(file + ": the file can't be read; name a readable one, or '-' for stdin");
    const auto read = read_raw_response(*text);
    if (const auto* const mistake = std::get_if<RawMistake>(&read)) {
        const std::string name = file.empty() || file == "-" ? "stdin" : file;
        return wrong(name + ":" + std::to_string(mistake->line) + ": " + mistake->what);
    }
    const RawResponse& response = std::get<RawResponse>(read);
    const std::optional<Outcome> failure = failure_of(response, now);
    const Explanation told = failure ? explain(*failure) : Explanation();
    return print(as_one_line ? as_json(told)
                             : as_text(response.status, failure ? failure->error : VendorError(), told));
}

}  // namespace streamkeeper
