#include "streamkeeper/admission.hpp"

#include <boost/test/unit_test.hpp>

using namespace streamkeeper;
using namespace streamkeeper::http;
namespace {

struct House {
    Config config;
    bool loopback = true, metrics_only = false;

    House() { config.listen = {*parse_listen("127.0.0.1:8817")}; }
    House& client(std::string name, std::string token) {
        config.clients.push_back({std::move(name), Secret(std::move(token)), {}});
        return *this;
    }
    AdmissionRules rules() const {
        return admission_rules(config, *parse_listen(loopback ? "127.0.0.1:8817" : "192.0.2.1:8817"), metrics_only);
    }
    /// The refusal as `status code`, or what was admitted as `surface|endpoint|policy|upstream|suffix|query|client`.
    std::string asks(const std::string& line, const std::string& lines = {},
                     const std::string& host = "localhost") const {
        const std::string bytes = line + " HTTP/1.1\r\nHost: " + host + "\r\n" + lines + "\r\n";
        const auto head = read_request_head(bytes, 1 << 20);
        const auto verdict = admit(std::get<RequestHead>(head), rules());
        if (const Refusal* refusal = std::get_if<Refusal>(&verdict))
            return std::to_string(refusal->status) + " " + std::string(refusal->code);
        const Admitted& asked = std::get<Admitted>(verdict);
        static const char* const surfaces[] = {"proxied", "models", "metrics",  "healthz",
                                               "readyz",  "status", "preflight"};
        return std::string(surfaces[static_cast<int>(asked.surface)]) + "|" +
               std::string(endpoint_label(asked.endpoint)) + "|" + (asked.policy ? "policy" : "") + "|" +
               asked.upstream + "|" + asked.suffix + "|" + asked.query + "|" + asked.client;
    }
    bool admits(const std::string& line, const std::string& lines = {}, const std::string& host = "localhost") const {
        return !std::isdigit(static_cast<unsigned char>(asks(line, lines, host).front()));
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(admission_test)

BOOST_AUTO_TEST_CASE(hosts_of_this_machine_of_the_listeners_and_of_the_list_are_allowed) {
    House house;
    house.config.listen.push_back(*parse_listen("192.0.2.1:1"));
    house.config.listen.push_back(*parse_listen("[2001:db8::1]:1"));
    house.config.listen.push_back(*parse_listen("unix:/run/x.sock"));
    house.config.allowed_hosts = {"box.example", "[2001:db8::2]"};
    house.client("a", "token-a");
    for (const char* host :
         {"localhost", "127.0.0.1:99", "[::1]", "192.0.2.1", "[2001:DB8::1]:7", "BOX.example:1", "[2001:db8::2]"})
        BOOST_TEST(house.admits("GET /v1/files", "x-api-key: token-a\r\n", host), host);
    for (const char* host :
         {"evil.example", "192.0.2.2", "[2001:db8::3]", "localhost.", "xlocalhost", "box.example.evil"})
        BOOST_TEST(house.asks("GET /v1/files", "x-api-key: token-a\r\n", host) == "421 host_not_allowed", host);
}

BOOST_AUTO_TEST_CASE(an_absolute_target_is_judged_beside_the_host) {
    const House house;
    BOOST_TEST(house.admits("GET http://localhost:1/v1/files"));
    BOOST_TEST(house.asks("GET http://evil.example/v1/files") == "421 host_not_allowed");
    BOOST_TEST(house.asks("GET http://localhost/v1/files", "", "evil.example") == "421 host_not_allowed");
}

BOOST_AUTO_TEST_CASE(web_origins_need_leave_and_others_do_not) {
    House house;
    house.config.allowed_origins = {"https://app.example"};
    for (const char* origin : {"https://app.example", "HTTPS://App.Example", "vscode-webview://x", "app://y"})
        BOOST_TEST(house.admits("GET /v1/files", std::string("Origin: ") + origin + "\r\n"), origin);
    for (const char* origin :
         {"https://evil.example", "http://app.example", "null", "https://app.example:444", "https://app.example.evil"})
        BOOST_TEST(house.asks("GET /v1/files", std::string("Origin: ") + origin + "\r\n") == "403 origin_not_allowed",
                   origin);
    for (const char* site : {"cross-site", "SAME-SITE"})
        BOOST_TEST(
            house.asks("GET /v1/files", std::string("Sec-Fetch-Site: ") + site + "\r\n") == "403 origin_not_allowed",
            site);
    BOOST_TEST(house.admits("GET /v1/files", "Sec-Fetch-Site: same-origin\r\n"));
}

BOOST_AUTO_TEST_CASE(a_second_origin_does_not_hide_behind_an_allowed_one) {
    House house;
    house.config.allowed_origins = {"https://app.example"};
    BOOST_TEST(house.asks("GET /v1/files", "Origin: https://evil.example\r\nOrigin: https://app.example\r\n") ==
               "403 origin_not_allowed");
    BOOST_TEST(house.asks("GET /v1/files", "Origin: https://app.example\r\nOrigin: https://evil.example\r\n") ==
               "403 origin_not_allowed");
}

BOOST_AUTO_TEST_CASE(a_token_names_its_client_in_each_spelling) {
    House house;
    house.client("a", "token-a").client("b", "token-b");
    const std::string admitted = "proxied|other|||/files||";
    BOOST_TEST(house.asks("GET /v1/files", "Authorization: Bearer token-a\r\n") == admitted + "a");
    BOOST_TEST(house.asks("GET /v1/files", "authorization: BEARER  token-b\r\n") == admitted + "b");
    BOOST_TEST(house.asks("GET /v1/files", "x-api-key: token-b\r\n") == admitted + "b");
    BOOST_TEST(house.asks("GET /v1/files", "api-key: token-a\r\n") == admitted + "a");
    for (const char* lines : {"", "Authorization: token-a\r\n", "Authorization: Bearer\r\n",
                              "Authorization: Bearer token-\r\n", "x-api-key: token-aa\r\n", "x-api-key: TOKEN-A\r\n",
                              "api-key:\r\n", "Authorization: Basic token-a\r\n", "x-goog-api-key: token-a\r\n"})
        BOOST_TEST(house.asks("GET /v1/files", lines) == "401 streamkeeper_token", lines);
}

BOOST_AUTO_TEST_CASE(tunnels_need_a_token_and_never_see_our_pages) {
    House open, guarded;
    guarded.client("a", "token-a");
    for (const char* line : {"Forwarded: for=x", "X-Forwarded-For: x", "x-forwarded-host: y", "X-Real-IP: x",
                             "Via: 1.1 x", "CF-Ray: x", "cf-visitor: x"}) {
        const std::string lines = std::string(line) + "\r\n";
        BOOST_TEST(open.asks("GET /v1/files", lines) == "401 streamkeeper_token", line);
        BOOST_TEST(guarded.admits("GET /v1/files", lines + "x-api-key: token-a\r\n"), line);
        for (const House* house : {&open, &guarded})
            for (const char* page : {"/", "/metrics", "/-/status"})
                BOOST_TEST(house->asks(std::string("GET ") + page, lines) == "404 not_found", line);
        BOOST_TEST(open.admits("GET /healthz", lines), line);
    }
}

BOOST_AUTO_TEST_CASE(our_pages_are_for_loopback_alone) {
    House house;
    house.config.allowed_hosts = {"box.example"};
    house.client("a", "token-a");
    BOOST_TEST(house.admits("GET /metrics"));
    BOOST_TEST(house.admits("HEAD /-/status"));
    BOOST_TEST(house.asks("POST /metrics") == "405 method_not_allowed");
    BOOST_TEST(house.asks("GET /metrics", "", "box.example") == "404 not_found");
    BOOST_TEST(house.asks("GET /-/../metrics") == "400 bad_path");
    house.loopback = false;
    BOOST_TEST(house.asks("GET /metrics") == "404 not_found");
    BOOST_TEST(house.admits("GET /readyz"));
}

BOOST_AUTO_TEST_CASE(metrics_with_a_listener_of_their_own_answer_there_and_nothing_else_does) {
    House house;
    house.config.metrics.listen = parse_listen("127.0.0.1:9100");
    BOOST_TEST(house.asks("GET /metrics") == "404 not_found");
    BOOST_TEST(house.admits("GET /-/status"));
    house.metrics_only = true;
    BOOST_TEST(house.admits("GET /metrics"));
    for (const char* path : {"/", "/-/status", "/healthz", "/v1/files", "/v1/models"})
        BOOST_TEST(house.asks(std::string("GET ") + path) == "404 not_found", path);
}

BOOST_AUTO_TEST_CASE(a_preflight_is_answered_here_without_a_token) {
    House house;
    house.config.allowed_origins = {"https://app.example"};
    house.client("a", "token-a");
    const std::string method = "Access-Control-Request-Method: POST\r\n";
    BOOST_TEST(house.asks("OPTIONS /v1/x", method + "Origin: https://app.example\r\n").starts_with("preflight"));
    BOOST_TEST(house.asks("OPTIONS /v1/x", method + "Origin: https://evil.example\r\n") == "403 origin_not_allowed");
    BOOST_TEST(house.asks("OPTIONS /v1/x", "Origin: https://app.example\r\n") == "401 streamkeeper_token");
    BOOST_TEST(house.asks("OPTIONS /v1/x", method) == "401 streamkeeper_token");
}

BOOST_AUTO_TEST_CASE(json_posts_on_policy_paths_are_policy_and_all_else_passes_through) {
    const House house;
    const std::string json = "Content-Type: application/json; charset=utf-8\r\n";
    BOOST_TEST(house.asks("POST /v1/chat/completions", json) == "proxied|chat_completions|policy||/chat/completions||");
    BOOST_TEST(house.asks("POST /u/one/v1/messages?beta=true&key=k", json) ==
               "proxied|messages|policy|one|/messages|?beta=true|");
    BOOST_TEST(house.asks("POST /v1/embeddings") == "proxied|embeddings|policy||/embeddings||");
    BOOST_TEST(house.asks("POST /v1/responses", "Content-Type: Multipart/form-data; boundary=x\r\n") ==
               "proxied|other|||/responses||");
    BOOST_TEST(house.asks("GET /v1/responses") == "proxied|other|||/responses||");
    BOOST_TEST(house.asks("POST /v1/audio/speech", json) == "proxied|other|||/audio/speech||");
    BOOST_TEST(house.asks("GET /v1/models") == "models|models|||/models||");
    BOOST_TEST(house.asks("GET /api/models") == "models|models|||/models||");
    BOOST_TEST(house.asks("GET /u/one/v1/models").starts_with("proxied|models||one|"));
    BOOST_TEST(house.asks("GET /v1/models/gpt-4") == "proxied|other|||/models/gpt-4||");
}

BOOST_AUTO_TEST_CASE(the_header_outranks_the_path) {
    BOOST_TEST(House().asks("GET /u/one/v1/files", "x-streamkeeper-upstream: two\r\n") ==
               "proxied|other||two|/files||");
}

BOOST_AUTO_TEST_CASE(refusals_come_in_the_documented_order) {
    House house;
    house.client("a", "token-a");
    std::string origin = "Origin: https://evil.example\r\n", via = "Via: x\r\n", token = "x-api-key: token-a\r\n";
    BOOST_TEST(house.asks("BREW /-/..", origin + via, "evil") == "421 host_not_allowed");
    BOOST_TEST(house.asks("BREW /-/..", origin + via) == "404 not_found");
    BOOST_TEST(house.asks("BREW /-/..", origin) == "403 origin_not_allowed");
    BOOST_TEST(house.asks("BREW /v1/..", origin) == "403 origin_not_allowed");
    BOOST_TEST(house.asks("BREW /v1/..") == "401 streamkeeper_token");
    BOOST_TEST(house.asks("BREW /v1/..", token) == "405 method_not_allowed");
    BOOST_TEST(house.asks("GET /v1/..", token) == "400 bad_path");
    BOOST_TEST(house.asks("GET /nothing", token) == "404 not_found");
}

BOOST_AUTO_TEST_SUITE_END()
