#include "streamkeeper/continuation.hpp"

#include "continuation_body.hpp"

using namespace continuation_body;

namespace {

constexpr Endpoint chat = Endpoint::chat_completions, completions = Endpoint::completions,
                   messages = Endpoint::messages;

const std::string turn = R"("messages":[{"role":"user","content":"hi"}])";

std::string chat_with(const std::string& member) { return R"({"model":"m",)" + turn + "," + member + "}"; }
std::string prompt_with(const std::string& member) { return R"({"model":"m","prompt":"Once",)" + member + "}"; }
std::string last_message(const std::string& message) {
    return R"({"model":"m","messages":[{"role":"user","content":"hi"},)" + message + "]}";
}

std::string go_on(Endpoint endpoint, const std::string& body, Prefill prefill = Prefill::trailing,
                  std::int64_t tokens = 0) {
    return continued(endpoint, body, {{prefill, "Hel\\nlo", tokens}, "", false});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(continuation)

BOOST_AUTO_TEST_CASE(what_a_continuation_would_change_excludes_it) {
    const std::vector<std::pair<std::string, std::string>> rows = {
        {R"("stop":"\n")", "stop"},
        {R"("stop":["a"])", "stop"},
        {R"("response_format":{"type":"json_object"})", "response_format"},
        {R"("response_format":{"type":"json_schema","json_schema":{}})", "response_format"},
        {R"("response_format":{})", "response_format"},
        {R"("guided_json":{})", "guided_json"},
        {R"("guided_regex":"a+")", "guided_regex"},
        {R"("guided_choice":["a"])", "guided_choice"},
        {R"("guided_grammar":"g")", "guided_grammar"},
        {R"("structured_outputs":{})", "structured_outputs"},
        {R"("grammar":"g")", "grammar"},
        {R"("json_schema":{})", "json_schema"},
        {R"("regex":"a")", "regex"},
        {R"("ebnf":"a")", "ebnf"},
        {R"("tool_choice":"required")", "tool_choice"},
        {R"("tool_choice":{"type":"function","function":{"name":"f"}})", "tool_choice"},
        {R"("function_call":{"name":"f"})", "function_call"},
        {R"("n":2)", "n"},
        {R"("audio":{"voice":"a"})", "audio"},
        {R"("modalities":["text","audio"])", "modalities"},
        {R"("prediction":{"type":"content","content":"a"})", "prediction"},
        {R"("echo":true)", "echo"},
        {R"("best_of":2)", "best_of"},
        {R"("min_tokens":5)", "min_tokens"},
        {R"("max_tokens":"many")", "max_tokens"},
        {R"("max_tokens":1.5)", "max_tokens"},
        {R"("max_tokens":5,"max_tokens":6)", "max_tokens"},
        {R"("st\u006fp":["a"])", "stop"},
        {R"("stop":null,"stop":["a"])", "stop"},
    };
    for (const auto& [member, name] : rows) {
        BOOST_CHECK_EQUAL(excluded(chat, chat_with(member)), name);
        BOOST_CHECK_EQUAL(excluded(completions, prompt_with(member)), name);
    }
    BOOST_CHECK_EQUAL(excluded(completions, prompt_with(R"("suffix":"end")")), "suffix");
}

BOOST_AUTO_TEST_CASE(what_says_nothing_excludes_nothing) {
    for (const std::string member : {R"("stop":null)",
                                     R"("stop":[])",
                                     R"("stop":[ ])",
                                     R"("response_format":null)",
                                     R"("response_format":{"type":"text"})",
                                     R"("guided_json":null)",
                                     R"("tool_choice":"auto")",
                                     R"("tool_choice":"none")",
                                     R"("tool_choice":null)",
                                     R"("function_call":"auto")",
                                     R"("n":1)",
                                     R"("n":null)",
                                     R"("modalities":["text"])",
                                     R"("audio":null)",
                                     R"("prediction":null)",
                                     R"("logprobs":true)",
                                     R"("echo":false)",
                                     R"("best_of":1)",
                                     R"("min_tokens":0)",
                                     R"("max_tokens":null)",
                                     R"("max_tokens":-1)",
                                     R"("stop_sequences":["a"])",
                                     R"("seed":1)",
                                     R"("metadata":{"stop":["a"],"n":2})"}) {
        BOOST_CHECK_MESSAGE(excluded(chat, chat_with(member)).empty(), member);
        BOOST_CHECK_MESSAGE(excluded(completions, prompt_with(member)).empty(), member);
    }
}

BOOST_AUTO_TEST_CASE(messages_have_their_own_reasons) {
    const std::vector<std::pair<std::string, std::string>> rows = {
        {R"("stop_sequences":["a"])", "stop_sequences"},
        {R"("tool_choice":{"type":"any"})", "tool_choice"},
        {R"("tool_choice":{"type":"tool","name":"f"})", "tool_choice"},
        {R"("thinking":{"type":"enabled","budget_tokens":1024})", "thinking"},
        {R"("thinking":{"type":"adaptive"})", "thinking"},
        {R"("output_format":{"type":"json_schema"})", "output_format"},
        {R"("output_config":{"format":{"type":"json_schema"}})", "output_config"},
        {R"("stop_sequences":[])", ""},
        {R"("tool_choice":{"type":"auto"})", ""},
        {R"("tool_choice":{"type":"none"})", ""},
        {R"("thinking":{"type":"disabled"})", ""},
        {R"("thinking":null)", ""},
        {R"("output_format":null)", ""},
        {R"("output_config":{"effort":"low"})", ""},
        {R"("output_config":{"format":null})", ""},
        {R"("stop":["a"])", ""},
    };
    for (const auto& [member, name] : rows) BOOST_CHECK_EQUAL(excluded(messages, chat_with(member)), name);
}

BOOST_AUTO_TEST_CASE(only_three_endpoints_are_continued) {
    BOOST_CHECK_EQUAL(excluded(Endpoint::responses, R"({"model":"m","input":"a"})"), "responses");
    BOOST_CHECK_EQUAL(excluded(Endpoint::embeddings, R"({"model":"m","input":"a"})"), "embeddings");
    BOOST_CHECK(facts(Endpoint::responses, R"( {"model":"m","background":true})").background);
    BOOST_CHECK(!facts(Endpoint::responses, R"({"model":"m","background":false})").background);
    BOOST_CHECK(!facts(chat, chat_with(R"("background":true)")).background);
}

BOOST_AUTO_TEST_CASE(there_must_be_something_to_append_to) {
    BOOST_CHECK_EQUAL(excluded(chat, R"({"model":"m"})"), "messages");
    BOOST_CHECK_EQUAL(excluded(chat, R"({"model":"m","messages":"hi"})"), "messages");
    BOOST_CHECK_EQUAL(excluded(chat, R"({"model":"m","messages":null})"), "messages");
    BOOST_CHECK_EQUAL(excluded(chat, R"({"model":"m","messages":[],"messages":[]})"), "messages");
    for (const std::string prompt : {"null", "5", "[1,2,3]", "[[1,2]]", R"(["a","b"])", "[]", "{}"})
        BOOST_CHECK_EQUAL(excluded(completions, R"({"model":"m","prompt":)" + prompt + "}"), "prompt");
    BOOST_CHECK_EQUAL(excluded(completions, R"({"model":"m"})"), "prompt");
    BOOST_CHECK_EQUAL(excluded(chat, R"({"models":["a","b"],)" + turn + "}"), "models");
}

BOOST_AUTO_TEST_CASE(a_closed_last_message_of_the_assistant_excludes_it) {
    for (const std::string message :
         {R"({"role":"assistant","content":"a","tool_calls":[{"id":"1"}]})", R"({"role":"assistant","content":null})",
          R"({"role":"assistant"})", R"({"role":"assistant","content":[]})",
          R"({"role":"assistant","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"1"}]})",
          R"({"role":"assistant","content":[{"type":"refusal","refusal":"no"}]})",
          R"({"role":"assistant","content":"a","refusal":"no"})", R"({"role":"assistant","content":"a","audio":{}})",
          R"({"role":"assistant","content":"a","function_call":{}})",
          R"({"role":"assistant","content":"a","prefix":false})", R"({"role":"assistant","content":"a","content":"b"})",
          R"({"role":"assistant","role":"user","content":"a"})"})
        BOOST_CHECK_EQUAL(excluded(chat, last_message(message)), "messages");
    for (const std::string message :
         {R"({"role":"assistant","content":"a","tool_calls":null,"refusal":null})",
          R"({"role":"assistant","content":"a","tool_calls":[]})", R"({"role":"assistant","content":""})",
          R"({"role":"assistant","content":"a","partial":true})",
          R"({"role":"user","content":"a","tool_calls":[{"id":"1"}]})", R"({"role":"tool","content":null})"})
        BOOST_CHECK_EQUAL(excluded(chat, last_message(message)), "");
}

BOOST_AUTO_TEST_CASE(a_message_of_the_assistant_is_added) {
    BOOST_CHECK_EQUAL(go_on(chat, "{\"model\":\"m\",\"messages\" : [ {\"role\":\"user\"}\n] }"),
                      "{\"model\":\"m\",\"messages\" : [ {\"role\":\"user\"}\n"
                      R"(,{"role":"assistant","content":"Hel\nlo"}] })");
    BOOST_CHECK_EQUAL(go_on(chat, R"({"messages":[]})", Prefill::prefix),
                      R"({"messages":[{"role":"assistant","content":"Hel\nlo","prefix":true}]})");
    BOOST_CHECK_EQUAL(go_on(chat, R"({"messages":[1]})", Prefill::partial),
                      R"({"messages":[1,{"role":"assistant","content":"Hel\nlo","partial":true}]})");
    BOOST_CHECK_EQUAL(
        go_on(chat, R"({"messages":[1]})", Prefill::continue_final_message),
        R"({"messages":[1,{"role":"assistant","content":"Hel\nlo"}],"continue_final_message":true,"add_generation_prompt":false})");
    BOOST_CHECK_EQUAL(
        go_on(chat, R"({"add_generation_prompt":true,"messages":[1],"continue_final_message":null})",
              Prefill::continue_final_message),
        R"({"add_generation_prompt":false,"messages":[1,{"role":"assistant","content":"Hel\nlo"}],"continue_final_message":true})");
}

BOOST_AUTO_TEST_CASE(messages_and_prompts_need_no_flag) {
    for (const Prefill prefill :
         {Prefill::trailing, Prefill::prefix, Prefill::partial, Prefill::continue_final_message}) {
        BOOST_CHECK_EQUAL(go_on(messages, R"({"messages":[1]})", prefill),
                          R"({"messages":[1,{"role":"assistant","content":"Hel\nlo"}]})");
        BOOST_CHECK_EQUAL(go_on(completions, R"({"prompt":"Once "})", prefill), R"({"prompt":"Once Hel\nlo"})");
        BOOST_CHECK_EQUAL(go_on(completions, R"({"prompt":[ "Once\"" ]})", prefill),
                          R"({"prompt":[ "Once\"Hel\nlo" ]})");
    }
}

BOOST_AUTO_TEST_CASE(the_clients_own_prefill_grows) {
    BOOST_CHECK_EQUAL(go_on(chat, R"({"messages":[{"content":"{ \\", "role":"assistant"} ]})"),
                      R"({"messages":[{"content":"{ \\Hel\nlo", "role":"assistant"} ]})");
    BOOST_CHECK_EQUAL(go_on(chat, R"({"messages":[{"role":"assistant","content":"a"}]})", Prefill::prefix),
                      R"({"messages":[{"role":"assistant","content":"aHel\nlo","prefix":true}]})");
    BOOST_CHECK_EQUAL(
        go_on(chat, R"({"messages":[{"role":"assistant","prefix":true,"content":"a"}]})", Prefill::prefix),
        R"({"messages":[{"role":"assistant","prefix":true,"content":"aHel\nlo"}]})");
    BOOST_CHECK_EQUAL(
        go_on(
            messages,
            R"({"messages":[{"role":"assistant","content":[{"type":"text","text":"a"},{"text":"b","type":"text"}]}]})"),
        R"({"messages":[{"role":"assistant","content":[{"type":"text","text":"a"},{"text":"bHel\nlo","type":"text"}]}]})");
    BOOST_CHECK_EQUAL(
        go_on(chat, R"({"continue_final_message":"content","messages":[{"role":"assistant","content":"a"}]})",
              Prefill::continue_final_message),
        R"({"continue_final_message":"content","messages":[{"role":"assistant","content":"aHel\nlo"}],"add_generation_prompt":false})");
}

BOOST_AUTO_TEST_CASE(limits_are_reduced_by_what_was_delivered) {
    const std::string body = R"({"max_tokens":100,"messages":[1],"max_completion_tokens": 5e1})";
    BOOST_CHECK_EQUAL(facts(chat, body).token_limit.value(), 50);
    BOOST_CHECK_EQUAL(
        go_on(chat, body, Prefill::trailing, 7),
        R"({"max_tokens":93,"messages":[1,{"role":"assistant","content":"Hel\nlo"}],"max_completion_tokens": 43})");
    BOOST_CHECK_EQUAL(go_on(completions, R"({"prompt":"a","max_tokens":8.0})", Prefill::trailing, 7),
                      R"({"prompt":"aHel\nlo","max_tokens":1})");
    BOOST_CHECK_EQUAL(go_on(completions, R"({"prompt":"a","max_tokens":-1})", Prefill::trailing, 7),
                      R"({"prompt":"aHel\nlo","max_tokens":-1})");
    BOOST_CHECK(!facts(chat, chat_with(R"("max_tokens":-1)")).token_limit);
    BOOST_CHECK(!facts(chat, chat_with(R"("max_tokens":null)")).token_limit);
    BOOST_CHECK_EQUAL(facts(chat, chat_with(R"("max_tokens":0)")).token_limit.value(), 0);
}

BOOST_AUTO_TEST_CASE(the_vendors_own_chain_is_cut_out) {
    const std::string added = R"(,{"role":"assistant","content":"Hel\nlo"})";
    const auto check = [&](const std::string& before, const std::string& after) {
        BOOST_CHECK_EQUAL(go_on(chat, R"({"model":"m",)" + before + "}"), R"({"model":"m",)" + after + "}");
    };
    check(R"("messages":[1],"models":["a"],"route":"fallback")", R"("messages":[1)" + added + "]");
    check(R"("models":["a"],"fallback_models":["b"],"messages":[1],"fallback_enabled":true, "route":"fallback")",
          R"("messages":[1)" + added + "]");
    check(R"("fallback_models":["b"], "models":["a"], "provider":{"order":["x"]},"messages":[1])",
          R"("provider":{"order":["x"]},"messages":[1)" + added + "]");
    BOOST_CHECK_EQUAL(go_on(chat, R"({"fallback_enabled":true,"messages":[1],"models":["a"],"model":"m"})"),
                      R"({"messages":[1)" + added + R"(],"model":"m"})");
    // What is appended behind a chain at the end.
    BOOST_CHECK_EQUAL(
        continued(chat, R"({"model":"m","messages":[1],"models":["a"],"fallback_models":["b"] })",
                  {{Prefill::continue_final_message, "x", 0}, "other", true}),
        R"({"model":"other","messages":[1,{"role":"assistant","content":"x"}] ,"stream_options":{"include_usage":true},)"
        R"("continue_final_message":true,"add_generation_prompt":false})");
}

BOOST_AUTO_TEST_CASE(a_probe_repeats_what_bears_on_the_turn) {
    const ContinuationFacts with =
        facts(chat, chat_with(R"("reasoning_effort":"low","tools":[{"a":1}],"temperature":1,"tool_choice":"none")"));
    BOOST_CHECK(with.tools);
    BOOST_CHECK_EQUAL(with.probe_members, R"("tools":[{"a":1}],"tool_choice":"none","reasoning_effort":"low")");
    BOOST_CHECK_EQUAL(with.kind, R"(chat_completions tools tool_choice="none" reasoning_effort="low")");
    const ContinuationFacts without = facts(messages, chat_with(R"("tools":[],"reasoning":null)"));
    BOOST_CHECK(!without.tools);
    BOOST_CHECK_EQUAL(without.probe_members, "");
    BOOST_CHECK_EQUAL(without.kind, "messages");
    BOOST_CHECK_EQUAL(facts(chat, chat_with(R"("tools":[1])")).kind, facts(chat, chat_with(R"("tools":[2,3])")).kind);
    const auto long_kind = [](char c) {
        return facts(chat, chat_with("\"chat_template_kwargs\":{\"a\":\"" + std::string(500, c) + "\"}")).kind;
    };
    BOOST_CHECK_LT(long_kind('a').size(), 100U);
    BOOST_CHECK_NE(long_kind('a'), long_kind('b'));
}

BOOST_AUTO_TEST_SUITE_END()
