#include "mock/play.hpp"

#include "mock/values.hpp"
#include "streamkeeper/config.hpp"

namespace streamkeeper::mock {
namespace {

constexpr std::size_t most_acts = 100;

bool is_times(std::string_view part) { return part.size() > 1 && part[0] == 'x' && whole_number(part.substr(1)); }

class Reader {
public:
    explicit Reader(Speaker speaker) : speaker_(speaker) {}

    std::string read(std::string_view text) {
        while (true) {
            const std::size_t end = text.find('+');
            if (std::string mistake = part(text.substr(0, end)); !mistake.empty()) return mistake;
            if (end == text.npos) break;
            text.remove_prefix(end + 1);
        }
        play.character = model_.fault().character;
        if (play.acts.empty() && !open_ && has_character_) return {};
        // What no xN closes lasts for ever, but a script's answer comes once.
        if (open_) return close(speaker_ == Speaker::script ? 1 : 0, {});
        return play.acts.empty() ? "nothing is said about the fault" : std::string();
    }

    Play play;

private:
    std::string part(std::string_view part) {
        if (part.empty()) return "there is an empty word (two `+`, or one at an end)";
        if (part.substr(0, 3) == "id=") return {};
        if (play.then == Then::loop) return "`loop` comes last";
        if (part == "loop") return loop();
        if (is_times(part)) {
            const std::size_t times = *whole_number(part.substr(1));
            return times == 0 ? "`x0`: a count is at least 1" : close(times, {});
        }
        if (part.substr(0, 4) == "for=") return last(part.substr(4));
        if (whole_number(part)) return fault("status", part);
        const std::size_t equals = part.find('=');
        if (equals == part.npos) return fault(part, std::nullopt);
        return fault(part.substr(0, equals), part.substr(equals + 1));
    }

    /// A word about the model holds for all acts, where a name or a header says it.
    std::string fault(std::string_view word, std::optional<std::string_view> value) {
        if (is_character_word(word) && (speaker_ == Speaker::name || speaker_ == Speaker::header)) {
            has_character_ = true;
            return model_.add(word, value);
        }
        open_ = true;
        return writer_.add(word, value);
    }

    std::string loop() {
        if (open_ || play.acts.empty()) return "`loop` follows acts that end, like `503+x2+ok+x5+loop`";
        play.then = Then::loop;
        return {};
    }

    std::string last(std::string_view text) {
        const auto duration = parse_duration(text);
        if (!duration || *duration == no_limit || duration->count() == 0)
            return "`for` needs a duration like 250ms, 5s or 2m";
        return close(0, *duration);
    }

    /// The act is complete.
    std::string close(std::size_t times, std::chrono::milliseconds lasting) {
        if (!open_) return "a count follows a fault, like `429+x2`";
        if (play.acts.size() == most_acts) return "there are more than " + std::to_string(most_acts) + " acts";
        if (std::string mistake = writer_.finish(); !mistake.empty()) return mistake;
        play.acts.push_back({std::make_shared<const Fault>(std::move(writer_.fault())), times, lasting});
        writer_ = FaultWriter(speaker_);
        open_ = false;
        return {};
    }

    Speaker speaker_;
    FaultWriter writer_{speaker_}, model_{speaker_};
    bool open_ = false, has_character_ = false;
};

}  // namespace

PlayReading read_play(std::string_view text, Speaker speaker) {
    Reader reader(speaker);
    std::string mistake = reader.read(text);
    return {std::move(reader.play), std::move(mistake)};
}

FaultReading read_fault(std::string_view text, Speaker speaker) {
    PlayReading reading = read_play(text, speaker);
    if (!reading.mistake.empty()) return {nullptr, std::move(reading.mistake)};
    const auto& acts = reading.play.acts;
    if (acts.size() != 1 || acts[0].times != 0 || acts[0].lasting.count() != 0)
        return {nullptr, "a refusal has no count: it comes whenever it is due"};
    return {acts[0].fault, {}};
}

bool Performance::is_over(const Act& act, Instant now) {
    if (act.lasting.count() == 0) return act.times != 0 && used_ >= act.times;
    if (!began_) began_ = now;
    return now - *began_ >= act.lasting;
}

std::shared_ptr<const Fault> Performance::current(Instant now) {
    // Twice round is enough: in a loop every act has its turn again.
    for (std::size_t turns = 0; turns <= 2 * play_.acts.size(); ++turns) {
        if (act_ == play_.acts.size()) {
            if (play_.then == Then::healthy || play_.acts.empty()) return nullptr;
            if (play_.then == Then::repeat_last) return play_.acts.back().fault;
            restart();
        }
        if (!is_over(play_.acts[act_], now)) return play_.acts[act_].fault;
        ++act_;
        used_ = 0;
        began_.reset();
    }
    return nullptr;
}

void Performance::restart() {
    act_ = 0;
    used_ = 0;
    began_.reset();
}

}  // namespace streamkeeper::mock
