#include "cli/demo_breaks.hpp"

#include <boost/json.hpp>
#include <chrono>

#include "cli/demo_reading.hpp"
#include "cli/demo_stage.hpp"
#include "cli/demo_voice.hpp"

namespace streamkeeper::demo {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

constexpr const char* pace = "x-mock-interval-ms: 5\r\n";
/// Words that the mock says for a third of a second, and behind how many bytes of its answer it closes.
constexpr const char* words = "mock-1+text=prose+tokens=60";
constexpr const char* cut = "+close=7900+x1";
constexpr const char* closed_words = "steady-1+as=closed+text=prose+tokens=60";
constexpr const char* closed_cut = "+close=10500+x1";

/// What came of one answer.
struct Said {
    std::string text, call, arguments, finish, comment;
    bool done = false, cut = false;
    std::chrono::milliseconds first{0}, took{0};
};

std::string last_of(const std::string& text, std::size_t most) {
    std::size_t from = text.size() > most ? text.size() - most : 0;
    while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xc0U) == 0x80U) ++from;
    return (from > 0 ? "…" : "") + text.substr(from);
}

/// One line, whatever the text has.
std::string quoted(const std::string& text) { return json::serialize(json::string(text)); }
std::string bytes(std::size_t count) { return std::to_string(count) + " bytes"; }

class Breaks {
public:
    Breaks(const Stage& stage, Voice& voice) : stage_(stage), say_(voice) {}
    void introduce();
    void in_a_sentence();
    void in_a_call();
    void not_continued();
    void whole();
    void plain();

private:
    Said ask(std::uint16_t port, const std::string& body, const std::string& fields) const;
    /// As a tool alone, with the vendor's own key. It asks for usage, too, so that each event has the same length.
    Said directly(std::uint16_t vendor, const std::string& key, std::string body) const {
        body.insert(1, R"("stream_options":{"include_usage":true},)");
        return ask(vendor, body, "Authorization: Bearer " + key + "\r\n" + pace);
    }
    Said through(const std::string& body, const std::string& fields = {}) const {
        return ask(stage_.port(), body, tools_key + (pace + fields));
    }
    std::string calls_seen(const MockUpstream&, const std::string& model, const char* pointer) const;
    void show_seam(const std::string& before, const std::string& text);
    void require_end(const Said&, const std::string& finish) const;

    const Stage& stage_;
    Voice& say_;
};

void Breaks::introduce() {
    say_.heading("Now its answers break off in the middle");
    say_.line("The mock closes the connection behind so many bytes (`+close=N`), once. The words have been shown");
    say_.line("by then, so asking anew would say them twice.");
}

Said Breaks::ask(std::uint16_t port, const std::string& body, const std::string& fields) const {
    Said said;
    const auto began = std::chrono::steady_clock::now();
    Call asked{port, "POST", chat_path, body, fields, {}};
    asked.may_be_cut = true;
    asked.on_data = [&](std::string_view piece) {
        if (piece.starts_with(": streamkeeper")) said.comment = piece.substr(0, piece.find('\n'));
        for_each_event(piece, [&](std::string_view data) {
            said.done = data == "[DONE]";
            if (said.done) return;
            const json::value event = parsed(std::string(data));
            const auto now = std::chrono::steady_clock::now();
            said.text += at(event, "/choices/0/delta/content");
            if (said.first == 0ms && !said.text.empty())
                said.first = std::chrono::duration_cast<std::chrono::milliseconds>(now - began);
            said.call += at(event, "/choices/0/delta/tool_calls/0/function/name");
            said.arguments += at(event, "/choices/0/delta/tool_calls/0/function/arguments");
            if (const std::string why = at(event, "/choices/0/finish_reason"); why != "null") said.finish += why;
        });
    };
    const Reply reply = call(asked);
    require(reply.status == 200, "a stream gave " + status_of(reply) + ": " + reply.body);
    said.cut = reply.cut;
    said.took = reply.took;
    return said;
}

/// A member of what the mock knows about the last call for this model.
std::string Breaks::calls_seen(const MockUpstream& vendor, const std::string& model, const char* pointer) const {
    const json::value state = parsed(call({vendor.port(), "GET", "/mock/state", {}, {}, {}}).body);
    std::string found;
    for (const json::value& one : state.at("answers").get_array())
        if (at(one, "/model") == model) found = at(one, pointer);
    return found;
}

void Breaks::show_seam(const std::string& before, const std::string& text) {
    require(!before.empty() && text.starts_with(before), "the vendor was asked to go on behind " + quoted(before));
    say_.row("the last words before:   " + quoted(last_of(before, 40)));
    say_.row("the first words after:   " + quoted(shortened(text.substr(before.size()), 40)));
}

void Breaks::require_end(const Said& said, const std::string& finish) const {
    require(!said.cut && said.done && said.finish == finish,
            "a stream ended with finish_reason `" + said.finish + "` and not whole: " + said.text);
}

void Breaks::in_a_sentence() {
    say_.step("A stream that breaks off in the middle of a sentence");
    const std::string model = std::string(words) + cut;
    const auto asks = [](const std::string& name) { return question(name, "Tell me a story", true); };
    const Said uncut = directly(stage_.vendor().port(), stage_.spare_key(), asks(words));
    require_end(uncut, "stop");
    say_.sent("\"stream\": true, \"model\": \"" + model + "\"");
    const Said alone = directly(stage_.vendor().port(), stage_.spare_key(), asks(model + "+id=direct"));
    require(alone.cut && uncut.text.starts_with(alone.text), "the mock did not break off: " + alone.text);
    say_.came("directly: " + bytes(alone.text.size()) + " of " + std::to_string(uncut.text.size()) +
              ", and no finish: " + quoted(last_of(alone.text, 30)));
    const Said said = through(asks(model));
    require_end(said, "stop");
    require(said.text == uncut.text, "the resumed text is not the uncut one: " + said.text);
    say_.came("through streamkeeper: one answer without a gap, from two calls");
    show_seam(calls_seen(stage_.vendor(), model, "/prefix"), said.text);
    say_.came(bytes(said.text.size()) + ", equal to the uncut text; finish_reason stop, [DONE]");
    say_.matters(
        "The vendor got the words that you had, as an answer that it is to go on with (`resume.capability` says that "
        "it "
        "can). Nothing is compared or guessed: its next byte is your next byte. Many tools take a stream that just "
        "ends "
        "for a whole answer.");
}

void Breaks::in_a_call() {
    say_.step("A stream that breaks off inside a tool call");
    const std::string name = "mock-1+text_then_tool", model = name + "+close=6100+x1";
    const auto asks = [](const std::string& asked) {
        return R"({"model":")" + asked + R"(","stream":true,"messages":[{"role":"user","content":"Use the tool"}],)" +
               R"("tools":[{"type":"function","function":{"name":"read_file","parameters":)" +
               R"({"type":"object","properties":{"path":{"type":"string"}}}}}]})";
    };
    const Said uncut = directly(stage_.vendor().port(), stage_.spare_key(), asks(name));
    require_end(uncut, "tool_calls");
    say_.sent("\"stream\": true, \"tools\": [read_file(path)], \"model\": \"" + model + "\"");
    const Said alone = directly(stage_.vendor().port(), stage_.spare_key(), asks(model + "+id=direct"));
    require(alone.cut && !alone.arguments.empty() && alone.arguments != uncut.arguments,
            "the mock did not break off inside the call: " + alone.call + alone.arguments);
    say_.came("directly: " + quoted(last_of(alone.text, 20)) + ", then " + alone.call + "(" + alone.arguments +
              "   and no more");
    const Said said = through(asks(model));
    require_end(said, "tool_calls");
    require(said.text == uncut.text && said.call == uncut.call && said.arguments == uncut.arguments,
            "the resumed call is not the uncut one: " + said.text + said.call + said.arguments);
    const std::string before = calls_seen(stage_.vendor(), model, "/prefix");
    require(before == uncut.text, "the vendor was asked to go on behind " + quoted(before));
    say_.came("through streamkeeper: the text once, and the call once and whole");
    say_.row("the last words before:   " + quoted(last_of(before, 40)));
    say_.row("the first that came after:   " + said.call + "(" + said.arguments + ")");
    say_.came("text and arguments equal to the uncut ones; finish_reason tool_calls, [DONE]");
    say_.matters(
        "A call is kept back until it is whole, so its torn half was never shown: one agent is known to have run such "
        "a "
        "half of a shell command.");
}

void Breaks::not_continued() {
    say_.step("A vendor that can't go on, and a long text that breaks off");
    const std::string model = std::string(closed_words) + closed_cut;
    say_.sent("\"stream\": true, \"model\": \"second/" + model + "\"");
    const Said said = through(question("second/" + model, "Tell me a story", true));
    require(said.cut && !said.done && said.finish.empty() && said.text.size() > 200 && !said.comment.empty(),
            "a stream that can't be resumed did not end loudly: " + said.text);
    say_.came("through streamkeeper: " + bytes(said.text.size()) + ", then");
    say_.row(said.comment);
    say_.row("and the connection is closed without its end: an error in every tool, never a whole answer");
    say_.matters(
        "Nobody had said what `second` can do, so it was asked once (a probe of about 40 tokens): it begins anew. Up "
        "to "
        "200 bytes could still be asked for again and compared. Beyond that nothing is exact, so `exact`, the default, "
        "fails loudly.");
}

void Breaks::whole() {
    say_.step("The same vendor, in the mode `whole`");
    const std::string model = std::string(closed_words) + closed_cut + "+id=whole";
    const Said uncut =
        directly(stage_.second().port(), MockOptions{}.key, question(closed_words, "Tell me a story", true));
    require_end(uncut, "stop");
    say_.sent("x-streamkeeper-resume: whole   (or `resume: {mode: whole}` in the configuration)");
    const Said said = through(question("second/" + model, "Tell me a story", true), "x-streamkeeper-resume: whole\r\n");
    require_end(said, "stop");
    require(said.text == uncut.text, "the whole answer is not the uncut one: " + said.text);
    require(said.first + 100ms > said.took, "the mode `whole` showed words before the answer was whole");
    say_.came("nothing for " + seconds(said.first) + ", then all " + bytes(said.text.size()) +
              " at once, equal to the uncut text");
    say_.matters(
        "Nothing is shown until the answer is whole, so every break is an unseen retry, at every vendor. The price: no "
        "words appear meanwhile. For agents that work unattended it is the better bargain.");
}

void Breaks::plain() {
    say_.step("A plain answer that breaks off");
    const std::string model = "mock-1+close=500+x1";
    const std::string key = "Authorization: Bearer " + stage_.spare_key() + "\r\n";
    const auto asks = [](const std::string& name) { return question(name, "Which way?"); };
    const Reply uncut = call({stage_.vendor().port(), "POST", chat_path, asks("mock-1"), key, {}});
    say_.sent("\"model\": \"" + model + "\"   (no \"stream\")");
    Call alone{stage_.vendor().port(), "POST", chat_path, asks(model + "+id=direct"), key, {}};
    alone.may_be_cut = true;
    const Reply half = call(alone);
    require(half.cut, "the mock did not break off: " + half.body);
    say_.came("directly: " + bytes(half.body.size()) + " of " + std::to_string(uncut.body.size()) + ", and no JSON");
    const Reply reply = call({stage_.port(), "POST", chat_path, asks(model), tools_key, {}});
    require(reply.status == 200, "through streamkeeper, " + model + " gave " + status_of(reply) + ": " + reply.body);
    const char* const content = "/choices/0/message/content";
    for (const char* const member : {content, "/choices/0/finish_reason", "/id", "/usage/total_tokens"})
        require(at(parsed(reply.body), member) == at(parsed(uncut.body), member),
                std::string(member) + " is not the uncut one's: " + reply.body);
    require(calls_seen(stage_.vendor(), model, "/stream") == "true", "the second call was no stream");
    say_.came("through streamkeeper: " + status_of(reply) + ", one document, equal to the uncut one   " +
              quoted(shortened(at(parsed(reply.body), content), 14)));
    say_.matters(
        "The second call was made as a stream, which survives what cuts long silences (504, 524, idle limits), and put "
        "together here (`stream.assemble: auto`).");
}

}  // namespace

void show_breaks(const Stage& stage, Voice& voice) {
    Breaks breaks(stage, voice);
    breaks.introduce();
    breaks.in_a_sentence();
    breaks.in_a_call();
    breaks.not_continued();
    breaks.whole();
    breaks.plain();
}

}  // namespace streamkeeper::demo
