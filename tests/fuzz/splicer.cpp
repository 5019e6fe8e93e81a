// Two attempts at one answer, whatever they say: the client sees only what it may, and each text once.
#include "streamkeeper/splicer.hpp"

#include "../unit/splicer_client.hpp"
#include "streamkeeper/json_scan.hpp"
#include "target.hpp"

using namespace streamkeeper;

namespace {

constexpr Endpoint endpoints[] = {Endpoint::chat_completions, Endpoint::completions, Endpoint::responses,
                                  Endpoint::messages};

/// Members of all objects, each counted as often as it stands there.
std::size_t members_of(std::string_view value) {
    if (value.starts_with('[')) {
        std::size_t count = 0;
        json::for_each_element(
            value, [](std::string_view one, void* sum) { *static_cast<std::size_t*>(sum) += members_of(one); }, &count);
        return count;
    }
    if (!value.starts_with('{')) return 0;
    std::size_t count = 0;
    for (json::MemberCursor at{value, {}, {}}; json::next_member(at); ++count) count += members_of(at.value);
    return count;
}
std::size_t members_of(const boost::json::value& value) {
    std::size_t count = 0;
    if (value.is_array())
        for (const auto& one : value.get_array()) count += members_of(one);
    if (value.is_object())
        for (const auto& one : value.get_object()) count += 1 + members_of(one.value());
    return count;
}

/// An event that two readers may read differently (a member twice, half a surrogate pair), or that no vendor's shape
/// has (several choices in a stream of one): nothing is promised of it but that it does no harm.
bool is_odd(std::string_view event) {
    std::string joined;
    const sse::Event fields = sse::read(event, joined);
    if (json::scan(fields.data)) return false;
    boost::json::parse_options options;
    options.max_depth = 600;
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(fields.data, error, {}, options);
    const std::size_t from = fields.data.find_first_not_of(" \t\r\n");
    if (error || members_of(value) != members_of(fields.data.substr(from))) return true;
    const boost::json::value* choices = value.is_object() ? value.get_object().if_contains("choices") : nullptr;
    if (!choices || !choices->is_array() || choices->get_array().empty()) return false;
    const boost::json::value& first = choices->get_array().front();
    const boost::json::value* delta = first.is_object() ? first.get_object().if_contains("delta") : nullptr;
    return choices->get_array().size() > 1 || (delta && delta->is_string());
}

class Player {
public:
    Player(Endpoint endpoint, const SplicerSettings& settings, bool strict)
        : splicer(endpoint, settings),
          client_(endpoint),
          strict_(strict && endpoint != Endpoint::responses && endpoint != Endpoint::messages) {}

    void play(std::string_view bytes, bool odd_allowed) {
        sse::Splitter splitter;
        splitter.feed(bytes);
        for (std::string_view event; splicer.fault() == Fault::none && splitter.next(event);) {
            if (is_odd(event)) {
                if (!odd_allowed) return;
                strict_ = false;
            }
            show(splicer.take(event));
        }
    }
    void show(const Splicer::Step& step) {
        const std::string now = std::string(step.before) + std::string(step.event);
        fuzz::require(splicer.fault() == Fault::none || now.empty(), "a fault shows nothing", now);
        check_lines(now);
        if (!strict_) return;
        client_.read(splicing::in_lf(now));
        fuzz::require(client_.problem.empty(), "a client sees what it may", client_.problem);
        fuzz::require(splicer.finished() == (client_.finishes > 0 || client_.over), "a finish is one", now);
    }
    /// The transcript is what the client has.
    void compare() const {
        if (!strict_ || !splicer.continuable() || splicer.seen() == Seen::fixed || splicer.finished()) return;
        const std::string text = json::unquote('"' + splicer.transcript().text() + '"');
        fuzz::require(text == client_.text, "the transcript is what was shown", text + "\n--\n" + client_.text);
        fuzz::require(text.starts_with(json::unquote('"' + splicer.prefix(64) + '"')),
                      "a prefix is the beginning of it");
    }

    Splicer splicer;

private:
    /// Each event is JSON on one line.
    static void check_lines(const std::string& shown) {
        sse::Splitter splitter;
        splitter.feed(shown);
        for (std::string_view event; splitter.next(event);) {
            std::string joined;
            const sse::Event fields = sse::read(event, joined);
            const bool blank = event.find_first_not_of("\r\n") == event.npos;
            fuzz::require(blank || fields.has_data, "an event has data", event);
            fuzz::require(blank || fields.data == "[DONE]" || !json::scan(fields.data), "an event is JSON", event);
            fuzz::require(joined.empty(), "data is one line", event);
            fuzz::require(!event.starts_with("\xEF\xBB\xBF"), "no mark is shown", event);
        }
        fuzz::require(splitter.pending() == 0, "events are shown whole", shown);
    }

    splicing::StrictClient client_;
    bool strict_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    fuzz::Input input(bytes, size);
    const unsigned choice = input.choice(), join_choice = input.choice();
    SplicerSettings settings;
    settings.mode = (choice & 4) == 0 ? ResumeMode::exact : (choice & 8) == 0 ? ResumeMode::whole : ResumeMode::off;
    settings.hold_calls = (choice & 16) == 0;
    settings.transcript = (choice & 64) == 0 ? 1 << 20 : 20;
    // With `finish_optional` the end need not have a finish; the strict client asks for one.
    Player player(endpoints[choice % 4], settings, (choice & 32) == 0);
    Join join;
    join.finish_optional = (choice & 32) != 0;
    join.hide_usage = (join_choice & 1) != 0;
    player.splicer.begin(join);
    // Attempts are parted by a byte that no event can have.
    std::string expected;
    for (int attempt = 0; attempt < 4 && !input.rest().empty(); ++attempt) {
        const std::string_view events = input.until('\x1e');
        player.play(events, (join_choice & 8) != 0);
        if (player.splicer.finished()) break;
        const Fault fault = player.splicer.fault();
        if (fault == Fault::none && (join_choice & 4) != 0 && player.splicer.doubting())
            player.show(player.splicer.judge_seam());
        player.compare();
        if (fault == Fault::none && (join_choice & 64) != 0 && attempt == 0) {
            player.show(player.splicer.release());
            player.play(input.until('\x1e'), true);
            break;
        }
        if (fault == Fault::diverged || fault == Fault::anew || fault == Fault::other_model) break;
        if (player.splicer.seen() == Seen::fixed || (player.splicer.shown() && !player.splicer.continuable())) break;
        if (player.splicer.seen() == Seen::text) {
            expected = player.splicer.transcript().text();
            join.continued = (join_choice & 2) != 0;
            const std::string prefix = player.splicer.prefix(64);
            join.expected =
                join.continued ? std::string_view(expected).substr(prefix.size()) : std::string_view(expected);
            join.doubtful = join.continued && (join_choice & 4) != 0;
        }
        player.splicer.begin(join);
    }
    return 0;
}
