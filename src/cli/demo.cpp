// `streamkeeper demo`: the whole product with no key and no internet. Each step makes a real request, checks what came
// (so the demo is a smoke test too) and says why it matters.
#include <signal.h>

#include <boost/json.hpp>
#include <cstdio>
#include <system_error>

#include "cli/demo_breaks.hpp"
#include "cli/demo_client.hpp"
#include "cli/demo_closing.hpp"
#include "cli/demo_metrics.hpp"
#include "cli/demo_reading.hpp"
#include "cli/demo_stage.hpp"
#include "cli/demo_trouble.hpp"
#include "cli/demo_voice.hpp"
#include "cli/verbs.hpp"

namespace streamkeeper {
namespace {

namespace json = boost::json;
using namespace demo;

class Demo {
public:
    Demo(const Stage& stage, Voice& voice) : stage_(stage), say_(voice) {}
    void run();

private:
    Reply post(const std::string& target, const std::string& body, const std::string& fields = tools_key,
               std::function<void(std::string_view)> on_data = {}) const {
        return call({stage_.port(), "POST", target, body, fields, std::move(on_data)});
    }
    std::string scrape() const { return call({stage_.port(), "GET", "/metrics", {}, {}, {}}).body; }
    void introduce() const;
    void json_answer();
    void stream();
    void tool_call();
    void wrong_json();
    void alias();
    void unknown_model();
    void model_list();
    void metrics(const std::string& before);

    const Stage& stage_;
    Voice& say_;
};

void Demo::introduce() const {
    say_.line(say_.bold("streamkeeper demo") + ": real requests over real sockets, with no key and no internet.");
    say_.line();
    say_.line("   your tool  ->  " + say_.bold("streamkeeper") + "  ->  the vendor");
    say_.line("                 " + stage_.base_url() + "   " + stage_.vendor().base_url() + " (a mock, for now)");
    say_.line();
    say_.line("Tools know streamkeeper's address alone; streamkeeper alone knows the vendor's keys.");
    say_.line("Its whole configuration:");
    say_.quoted(stage_.configuration());
}

void Demo::json_answer() {
    say_.step("A question, answered as JSON");
    const std::string body = R"({"model":"mock-1","messages":[{"role":"user","content":"Which river is this?"}]})";
    say_.sent("POST " + std::string(chat_path) + "   Authorization: Bearer any-key-the-tool-has");
    const Reply direct = call({stage_.vendor().port(), "POST", chat_path, body, tools_key, {}});
    require(direct.status == 401, "the mock vendor took the tool's own key: " + status_of(direct));
    const Reply reply = post(chat_path, body);
    require(reply.status == 200, "a chat request gave " + status_of(reply) + ": " + reply.body);
    const json::value answer = parsed(reply.body);
    const std::string text = at(answer, "/choices/0/message/content");
    require(!text.empty(), "the answer has no text: " + reply.body);
    say_.came(status_of(reply) + "   \"" + shortened(text, 60) + "\"");
    say_.came(at(answer, "/usage/prompt_tokens") + " tokens in, " + at(answer, "/usage/completion_tokens") +
              " out   x-streamkeeper-key: " + reply.fields.at("x-streamkeeper-key"));
    say_.matters(
        "(The mock answers in random words.) The vendor refuses the tool's key (asked directly it said 401): the "
        "stored one was put in its place on "
        "the way out. It is in no tool's settings and in no log.");
}

void Demo::stream() {
    say_.step("A stream, shown as it arrives");
    say_.sent(R"(POST /v1/chat/completions   "stream": true)");
    std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now(), first{}, last{};
    std::size_t tokens = 0, pieces = 0;
    bool done = false;
    say_.begin_flow();
    const Reply reply =
        post(chat_path, R"({"model":"mock-1","stream":true,"messages":[{"role":"user","content":"Tell me more"}]})",
             std::string(tools_key) + "x-mock-tokens: 24\r\nx-mock-interval-ms: 50\r\n", [&](std::string_view piece) {
                 const std::size_t had = tokens;
                 for_each_event(piece, [&](std::string_view data) {
                     done = data == "[DONE]";
                     const std::string text = done ? "" : at(parsed(std::string(data)), "/choices/0/delta/content");
                     if (text.empty()) return;
                     say_.flow(text);
                     last = std::chrono::steady_clock::now();
                     if (tokens++ == 0) first = last;
                 });
                 if (tokens > had) ++pieces;
             });
    say_.end_flow();
    require(reply.status == 200 && done && tokens == 24,
            "the stream gave " + std::to_string(tokens) + " of 24 tokens, status " + status_of(reply));
    require(pieces > tokens / 2, "the stream did not arrive token by token");
    require(reply.body.find("\"usage\":{") == reply.body.npos, "the client saw usage it did not ask for");
    const auto ms = [](auto time) {
        return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
    };
    say_.came("first token after " + ms(first - began) + " ms, the 24th after " + ms(last - began) +
              " ms, then [DONE]");
    say_.matters(
        "Every event is passed on in the moment its last byte is there. streamkeeper asked the vendor for token "
        "counts and kept them for itself: the tool had not asked, but the metrics below know.");
}

void Demo::tool_call() {
    say_.step("A tool call");
    say_.sent(R"(POST /v1/chat/completions   "stream": true, "tools": [read_file(path)])");
    const std::string body = R"({"model":"mock-1","stream":true,"messages":[{"role":"user","content":"Use the tool"}],)"
                             R"("tools":[{"type":"function","function":{"name":"read_file","parameters":)"
                             R"({"type":"object","properties":{"path":{"type":"string"}}}}}]})";
    std::string name, arguments, finish;
    std::size_t parts = 0;
    const Reply reply = post(chat_path, body, tools_key, [&](std::string_view piece) {
        for_each_event(piece, [&](std::string_view data) {
            if (data == "[DONE]") return;
            const json::value event = parsed(std::string(data));
            name += at(event, "/choices/0/delta/tool_calls/0/function/name");
            const std::string part = at(event, "/choices/0/delta/tool_calls/0/function/arguments");
            parts += part.empty() ? 0 : 1;
            arguments += part;
            if (const std::string reason = at(event, "/choices/0/finish_reason"); reason != "null") finish = reason;
        });
    });
    require(reply.status == 200 && name == "read_file" && finish == "tool_calls",
            "the tool call gave " + status_of(reply) + ": " + reply.body);
    require(parsed(arguments).is_object(), "the call's arguments are no JSON object: " + arguments);
    say_.came("read_file(" + arguments + ")   in " + std::to_string(parts) + (parts == 1 ? " piece" : " pieces") +
              ", finish_reason " + finish);
    say_.matters("A call is kept back until it is whole and then shown at once: no tool sees half of one.");
}

void Demo::wrong_json() {
    say_.step("A request that is broken");
    const double before = sum(scrape(), "streamkeeper_upstream_attempts_total", {});
    say_.sent(R"(POST /v1/chat/completions   {"model":"mock-1",\n "messages": [})");
    const Reply reply = post(chat_path, "{\"model\":\"mock-1\",\n \"messages\": [}");
    const std::string message = at(parsed(reply.body), "/error/message");
    require(reply.status == 400 && message.find("line 2, column 15") != message.npos,
            "broken JSON gave " + status_of(reply) + ": " + reply.body);
    require(sum(scrape(), "streamkeeper_upstream_attempts_total", {}) == before, "broken JSON went to the vendor");
    say_.came(status_of(reply) + "   " + message);
    say_.matters("Vendors answer this with a riddle. Here it is line and column, and it cost no call.");
}

void Demo::alias() {
    say_.step("A model by another name");
    say_.sent(R"(POST /v1/chat/completions   "model": "fast")");
    const Reply reply = post(chat_path, R"({"model":"fast","messages":[{"role":"user","content":"Hello there"}]})");
    require(reply.status == 200, "the alias gave " + status_of(reply) + ": " + reply.body);
    require(reply.fields.at("x-streamkeeper-model") == "mock-1", "the alias did not lead to mock-1");
    say_.came(status_of(reply) + "   x-streamkeeper-upstream: " + reply.fields.at("x-streamkeeper-upstream") +
              "   x-streamkeeper-model: " + reply.fields.at("x-streamkeeper-model"));
    say_.matters(
        "Change the model behind `fast` in one file, not in every tool. Response headers say what was really used.");
}

void Demo::unknown_model() {
    say_.step("A model that does not exist");
    say_.sent(R"(POST /v1/chat/completions   "model": "mock-9000")");
    const Reply reply = post(chat_path, R"({"model":"mock-9000","messages":[{"role":"user","content":"Hello"}]})");
    const json::value answer = parsed(reply.body);
    require(reply.status == 404 && at(answer, "/error/code") == "model_not_found",
            "an unknown model gave " + status_of(reply) + ": " + reply.body);
    require(at(answer, "/error/streamkeeper/upstream") == "vendor",
            "the error does not say where it came from: " + reply.body);
    say_.came(status_of(reply) + "   " + at(answer, "/error/message"));
    say_.came("code: " + at(answer, "/error/code") +
              "   upstream: vendor   request_id: " + at(answer, "/error/streamkeeper/request_id"));
    say_.matters("Whatever shape a vendor's error has, tools get this one, with the vendor's status and code.");
}

void Demo::model_list() {
    say_.step("What can be asked for");
    say_.sent("GET /v1/models");
    const Reply reply = call({stage_.port(), "GET", "/v1/models", {}, {}, {}});
    require(reply.status == 200, "the model list gave " + status_of(reply) + ": " + reply.body);
    std::string names;
    const json::value list = parsed(reply.body);
    const json::value* const data = list.is_object() ? list.get_object().if_contains("data") : nullptr;
    require(data && data->is_array(), "the model list is no list: " + reply.body);
    for (const json::value& model : data->get_array()) names += (names.empty() ? "" : ", ") + at(model, "/id");
    require(names.find("mock-1") != names.npos && names.find("fast") != names.npos,
            "the model list lacks names: " + names);
    say_.came(names);
    say_.matters("The lists of all upstreams and your aliases in one: this is what a tool's model picker shows.");
}

void Demo::metrics(const std::string& before) {
    say_.step("What was counted");
    const std::string after = scrape();
    show_moved(say_, before, after);
    check_moved(after);
    say_.matters(
        "From GET /metrics: point Prometheus at it. What clients saw and what the vendor did are counted apart.");
}

void Demo::run() {
    introduce();
    const std::string before = scrape();
    json_answer();
    stream();
    tool_call();
    wrong_json();
    alias();
    unknown_model();
    model_list();
    show_troubles(stage_, say_);
    show_breaks(stage_, say_);
    metrics(before);
}

/// Blocked before any thread exists, so that all inherit it: Ctrl-C ends the demo in order, not in the middle.
void block_signals(sigset_t& signals) {
    ::sigemptyset(&signals);
    for (const int number : {SIGINT, SIGTERM}) ::sigaddset(&signals, number);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
}

void play(bool stay, const sigset_t& signals) {
    Voice voice;
    const Stage stage;
    Demo(stage, voice).run();
    show_closing(voice, stay ? stage.base_url() : std::string());
    if (voice.lost()) throw Failure("stdout could not be written");
    int received = 0;
    if (stay) ::sigwait(&signals, &received);
    if (stay) voice.line("\nStopped.");
}

}  // namespace

int run_demo(bool stay) {
    sigset_t signals;
    block_signals(signals);
    try {
        play(stay, signals);
        return 0;
    } catch (const std::exception& error) {
        std::fflush(stdout);
        std::fprintf(stderr, "streamkeeper demo: failed: %s\n", error.what());
        return 1;
    }
}

}  // namespace streamkeeper
