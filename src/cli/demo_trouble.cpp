#include "cli/demo_trouble.hpp"

#include <boost/json/value.hpp>
#include <chrono>

#include "cli/demo_reading.hpp"
#include "cli/demo_stage.hpp"
#include "cli/demo_voice.hpp"

namespace streamkeeper::demo {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class Troubles {
public:
    Troubles(const Stage& stage, Voice& voice) : stage_(stage), say_(voice), key_(stage.main_key()) {}
    void introduce();
    void waited_out();
    void tried_again();
    void second_key();
    void misspelt();
    void chain();
    void kept_alive();
    void final_error();

private:
    Reply through(const std::string& body, std::function<void(std::string_view)> on_data = {}) const {
        return call({stage_.port(), "POST", chat_path, body, tools_key, std::move(on_data)});
    }
    void directly(const std::string& model, int status, const std::string& header = {});
    /// Asks through streamkeeper; the answer must be good.
    Reply answered(const std::string& model, int calls);
    void answer_came(const Reply&, const std::string& how);

    const Stage& stage_;
    Voice& say_;
    std::string key_;  ///< the vendor's, of a tool that asks it directly
};

void Troubles::introduce() {
    say_.heading("Now the vendor has a bad day");
    say_.line("Each request is made twice: directly, as a tool alone would, with the vendor's key; and through");
    say_.line("streamkeeper. What stands behind the `+` of a model's name tells the mock how to fail.");
}

/// What a tool gets that asks the vendor itself.
void Troubles::directly(const std::string& model, int status, const std::string& header) {
    // A play of its own (`id=`), so that the same fault is met once more through streamkeeper.
    const bool plays = model.find('+') != model.npos;
    const std::string body = question(plays ? model + "+id=direct" : model, "Which way?");
    const std::string key = "Authorization: Bearer " + key_ + "\r\n";
    say_.sent("POST " + std::string(chat_path) + "   \"model\": \"" + model + "\"");
    const Reply reply = call({stage_.vendor().port(), "POST", chat_path, body, key, {}});
    require(reply.status == status, "the mock was to answer " + std::to_string(status) + " to " + model +
                                        ", and gave " + status_of(reply) + ": " + reply.body);
    const std::string named = header.empty() ? "" : "   " + header + ": " + field(reply, header);
    say_.came("directly: " + std::to_string(status) + named + "   \"" +
              shortened(at(parsed(reply.body), "/error/message"), 60) + "\"");
}

Reply Troubles::answered(const std::string& model, int calls) {
    Reply reply = through(question(model, "Which way?"));
    require(reply.status == 200, "through streamkeeper, " + model + " gave " + status_of(reply) + ": " + reply.body);
    require(!at(parsed(reply.body), "/choices/0/message/content").empty(), "the answer has no text: " + reply.body);
    require(field(reply, "x-streamkeeper-attempts") == std::to_string(calls),
            model + " took " + field(reply, "x-streamkeeper-attempts") + " calls, not " + std::to_string(calls));
    return reply;
}

void Troubles::answer_came(const Reply& reply, const std::string& how) {
    const std::string text = at(parsed(reply.body), "/choices/0/message/content");
    const std::string when = reply.took < 100ms ? "at once" : "after " + seconds(reply.took);
    say_.came("through streamkeeper: the answer, " + when + how + "   \"" + shortened(text, 14) + "\"");
}

void Troubles::waited_out() {
    say_.step("429: too many requests, come back in 2 seconds");
    const std::string model = "mock-1+429+retry_after=2+x1";
    directly(model, 429, "retry-after");
    const Reply reply = answered(model, 2);
    require(reply.took >= 2s, "the vendor was asked again before the two seconds were over");
    answer_came(reply, ", in 2 calls");
    say_.matters(
        "Waited out, never shorter than the vendor asked, and once for all tools: meanwhile they stand in one line and "
        "none of them hammers.");
}

void Troubles::tried_again() {
    say_.step("503: the vendor stumbles");
    const std::string model = "mock-1+503+x1";
    directly(model, 503);
    answer_came(answered(model, 2), ", in 2 calls");
    say_.matters("Nothing had been shown yet, so trying again after a short pause costs nobody anything.");
}

void Troubles::second_key() {
    say_.step("402: the balance of the first key is used up");
    directly("mock-1", 402);
    const Reply reply = answered("mock-1", 2);
    require(field(reply, "x-streamkeeper-key") == "spare",
            "key `" + field(reply, "x-streamkeeper-key") + "` answered, not `spare`");
    answer_came(reply, ", with key `spare`");
    const Reply next = answered("mock-1", 1);
    require(field(next, "x-streamkeeper-key") == "spare", "the used-up key was taken once more");
    key_ = stage_.spare_key();  // so that the next steps show their own trouble, not this one
    say_.matters(
        "The next request goes to `spare` at once. `main` is tried again at most once a minute, so a top-up works by "
        "itself.");
}

void Troubles::misspelt() {
    say_.step("404: a misspelt model");
    directly("mock-cased-70b", 404);
    const Reply reply = answered("mock-cased-70b", 2);
    require(field(reply, "x-streamkeeper-model") == "Mock-Cased-70B",
            "the name was not mended: " + field(reply, "x-streamkeeper-model"));
    answer_came(reply, ", from Mock-Cased-70B");
    say_.matters(
        "The vendor's own list has one name that differs only in case, spaces, `-`, `_` or `.`. It is remembered.");
}

void Troubles::chain() {
    say_.step("A model that is down, and a chain to another vendor's");
    directly("mock-reasoner", 503);
    const Reply reply = answered("mock-reasoner", 3);
    const std::string vendor = field(reply, "x-streamkeeper-upstream"), model = field(reply, "x-streamkeeper-model");
    require(vendor == "second" && model == "steady-1", "the chain led to " + vendor + "/" + model);
    require(field(reply, "x-streamkeeper-fallback") == "overload",
            "x-streamkeeper-fallback says `" + field(reply, "x-streamkeeper-fallback") + "`");
    answer_came(reply, ", from second/steady-1");
    say_.came("x-streamkeeper-fallback: overload   x-streamkeeper-attempts: 3");
    say_.matters(
        "Two tries, then the next model of `models.mock-reasoner.fallback`, with its own vendor, key and name. The "
        "headers say so; nothing is swapped in secret.");
}

/// A stream whose vendor has to be waited for: a heartbeat every half second, then the answer.
void Troubles::kept_alive() {
    say_.step("A stream that has to wait, kept alive");
    const std::string model = "mock-1+429+retry_after=2+x1+id=stream";
    directly(model, 429, "retry-after");
    say_.came("through streamkeeper, \"stream\": true:");
    const Clock::time_point began = Clock::now();
    std::size_t beats = 0, tokens = 0;
    bool done = false;
    const Reply reply = through(question(model, "Which way?", true), [&](std::string_view piece) {
        const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
        if (piece.starts_with(':') && tokens == 0) {
            say_.row(seconds(now) + "   : hb" +
                     (beats++ == 0 ? "   (200 is sent, and a comment that tools skip)" : ""));
        }
        for_each_event(piece, [&](std::string_view data) {
            done = data == "[DONE]";
            if (done || at(parsed(std::string(data)), "/choices/0/delta/content").empty()) return;
            if (tokens++ == 0) say_.row(seconds(now) + "   the first word");
        });
    });
    require(reply.status == 200 && done && tokens > 1, "the stream gave " + status_of(reply) + ": " + reply.body);
    require(reply.took >= 2s, "the vendor was asked again before the two seconds were over");
    require(beats >= 2, "the stream was silent while it waited: " + std::to_string(beats) + " heartbeats");
    say_.row(seconds(reply.took) + "   " + std::to_string(tokens) + " tokens and [DONE]");
    say_.matters(
        "Tools hang up on silence. They stay for a stream that breathes, even if the vendor asks for minutes. (Every "
        "5 s by default; faster here.)");
}

void Troubles::final_error() {
    say_.step("429 again, but one that no waiting can mend");
    const std::string model = "mock-1+too_large";
    directly(model, 429);
    const Reply reply = through(question(model, "Which way?"));
    const boost::json::value answer = parsed(reply.body);
    const std::string message = at(answer, "/error/message"), hint = at(answer, "/error/streamkeeper/hint");
    require(reply.status == 429 && at(answer, "/error/streamkeeper/reason") == "request_too_large",
            "a request that is too large gave " + status_of(reply) + ": " + reply.body);
    require(field(reply, "x-should-retry") == "false", "a final error does not say x-should-retry: false");
    require(!hint.empty() && !at(answer, "/error/streamkeeper/attempts/0").empty() &&
                at(answer, "/error/streamkeeper/attempts/1").empty(),
            "a final error lacks its hint, or took more than one call: " + reply.body);
    require(reply.took < 1s, "a final error took " + seconds(reply.took));
    say_.came("through streamkeeper: " + status_of(reply) + "   x-should-retry: false   after 1 call");
    say_.came(hint);
    say_.matters(
        "A tool alone sees a 429, waits and sends it again, two times or ten. Here it is told the truth once: what the "
        "vendor said, that retrying is in vain, and what helps.");
}

}  // namespace

void show_troubles(const Stage& stage, Voice& voice) {
    Troubles troubles(stage, voice);
    troubles.introduce();
    troubles.waited_out();
    troubles.tried_again();
    troubles.second_key();
    troubles.misspelt();
    troubles.chain();
    troubles.kept_alive();
    troubles.final_error();
}

}  // namespace streamkeeper::demo
