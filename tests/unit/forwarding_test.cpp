#include "streamkeeper/forwarding.hpp"

#include <boost/test/unit_test.hpp>

using namespace streamkeeper;
using namespace streamkeeper::http;
namespace {

struct Case {
    Upstream upstream;
    Key key{"main", Secret("sk-secret"), {}};
    std::string bytes;
    RequestHead head;

    explicit Case(const std::string& lines, const std::string& start = "POST /v1/x HTTP/1.1") {
        upstream.base_url = *parse_base_url("http://up.example:8080/v1");
        bytes = start + "\r\nHost: localhost\r\n" + lines + "\r\n";
        head = std::get<RequestHead>(read_request_head(bytes, 1 << 20));
    }
    std::string sent(bool policy = true, bool upgrade = false, Framing body = {Framing::Kind::length, 7}) const {
        return upstream_head(head, {head.method, "/v1/x", &upstream, &key, body, policy, upgrade});
    }
};

std::string to_client(const std::string& lines, bool same_length = false) {
    const std::string bytes = "HTTP/1.1 200 OK\r\n" + lines + "\r\n";
    const auto parsed = read_response_head(bytes, 1 << 20, true);
    std::string out;
    append_client_fields(out, std::get<ResponseHead>(parsed), same_length);
    return out;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(forwarding_test)

BOOST_AUTO_TEST_CASE(an_upstream_head_has_our_host_key_and_length) {
    BOOST_TEST(Case("X-Title: a\r\n").sent() ==
               "POST /v1/x HTTP/1.1\r\nHost: up.example:8080\r\nAuthorization: Bearer sk-secret\r\nX-Title: a\r\n"
               "Accept-Encoding: identity\r\nContent-Length: 7\r\n\r\n");
}

BOOST_AUTO_TEST_CASE(the_key_is_written_in_the_upstreams_style) {
    Case it("");
    it.upstream.auth = AuthStyle::x_api_key;
    BOOST_TEST(has(it.sent(), "\r\nx-api-key: sk-secret\r\n"));
    it.upstream.auth = AuthStyle::api_key;
    BOOST_TEST(has(it.sent(), "\r\napi-key: sk-secret\r\n"));
    it.upstream.auth = AuthStyle::none;
    BOOST_TEST(!has(it.sent(), "sk-secret"));
    BOOST_TEST(!has(it.sent(), "Authorization"));
}

BOOST_AUTO_TEST_CASE(what_is_not_for_the_upstream_is_dropped_in_any_case) {
    for (const char* name : {"Authorization",
                             "Proxy-Authorization",
                             "api-key",
                             "x-api-key",
                             "x-goog-api-key",
                             "OpenAI-Organization",
                             "OpenAI-Project",
                             "Cookie",
                             "Origin",
                             "Referer",
                             "Forwarded",
                             "X-Forwarded-For",
                             "X-Forwarded-Port",
                             "X-Real-IP",
                             "Via",
                             "CF-Ray",
                             "CF-Connecting-IP",
                             "Sec-Fetch-Site",
                             "Sec-CH-UA",
                             "Sec-WebSocket-Key",
                             "x-streamkeeper-upstream",
                             "x-streamkeeper-resume",
                             "Keep-Alive",
                             "Proxy-Connection",
                             "TE",
                             "Trailer",
                             "Upgrade",
                             "HTTP2-Settings",
                             "Proxy-Authenticate"}) {
        for (const bool upper : {false, true}) {
            std::string spelt = name;
            for (char& c : spelt) c = static_cast<char>(upper ? std::toupper(c) : std::tolower(c));
            for (const bool policy : {false, true})
                BOOST_TEST(!has(Case(spelt + ": leaked\r\n").sent(policy), "leaked"), spelt);
        }
    }
    BOOST_TEST(!has(Case("Expect: 100-continue\r\n").sent(), "100-continue"));
}

BOOST_AUTO_TEST_CASE(names_that_only_resemble_those_are_kept) {
    for (const char* name : {"X-Forwarded", "Security", "X-Api-Key-Id", "Cookies", "Viable", "CFRay", "x-streamkeeper",
                             "Authorizations", "Idempotency-Key", "anthropic-beta", "User-Agent", "Accept",
                             "Origin-Trial", "Tea", "Upgrade-Insecure-Requests"})
        BOOST_TEST(has(Case(std::string(name) + ": kept\r\n").sent(), std::string("\r\n") + name + ": kept\r\n"), name);
}

BOOST_AUTO_TEST_CASE(what_connection_names_is_dropped_whichever_line_names_it) {
    const std::string sent =
        Case("Connection: X-A , close\r\nX-a: 1\r\nX-B: 2\r\nConnection: x-c\r\nX-C: 3\r\n").sent();
    BOOST_TEST(!has(sent, "X-a"));
    BOOST_TEST(!has(sent, "X-C"));
    BOOST_TEST(has(sent, "X-B: 2\r\n"));
    BOOST_TEST(!has(sent, "onnection"));
}

BOOST_AUTO_TEST_CASE(an_upgrade_keeps_its_own_fields_and_no_other_sec_field) {
    const std::string sent =
        Case("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nSec-Fetch-Mode: websocket\r\n",
             "GET /v1/x HTTP/1.1")
            .sent(false, true, {});
    BOOST_TEST(has(sent, "\r\nSec-WebSocket-Key: k\r\n"));
    BOOST_TEST(has(sent, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"));
    BOOST_TEST(!has(sent, "Sec-Fetch-Mode"));
    BOOST_TEST(!has(sent, "Content-Length"));
}

BOOST_AUTO_TEST_CASE(a_body_is_framed_once_and_by_us) {
    const Case lengthy("Content-Length: 99\r\n"), chunky("Transfer-Encoding: chunked\r\n");
    BOOST_TEST(!has(lengthy.sent(), "99"));
    BOOST_TEST(has(lengthy.sent(false, false, {Framing::Kind::chunked, 0}), "\r\nTransfer-Encoding: chunked\r\n"));
    BOOST_TEST(!has(lengthy.sent(false, false, {Framing::Kind::chunked, 0}), "Content-Length"));
    BOOST_TEST(!has(chunky.sent(), "Transfer-Encoding"));
    BOOST_TEST(has(Case("").sent(false, false, {}), "\r\nContent-Length: 0\r\n"));
    BOOST_TEST(!has(Case("", "GET /v1/x HTTP/1.1").sent(false, false, {}), "Content-Length"));
}

BOOST_AUTO_TEST_CASE(a_client_chooses_encodings_only_where_nothing_is_read) {
    const Case it("Accept-Encoding: br\r\n");
    BOOST_TEST(has(it.sent(false), "\r\nAccept-Encoding: br\r\n"));
    BOOST_TEST(!has(it.sent(true), "br\r\n"));
}

BOOST_AUTO_TEST_CASE(what_is_not_for_the_client_is_dropped) {
    for (const char* name : {"Set-Cookie", "Access-Control-Allow-Origin", "Access-Control-Anything", "Alt-Svc",
                             "Strict-Transport-Security", "Clear-Site-Data", "NEL", "Report-To", "Connection",
                             "Keep-Alive", "Proxy-Authenticate", "Trailer", "TE", "Upgrade", "x-streamkeeper-key"})
        BOOST_TEST(to_client(std::string(name) + ": x\r\n") == "", name);
    BOOST_TEST(to_client("Connection: x-hop\r\nX-Hop: 1\r\nX-Y: 2\r\n") == "X-Y: 2\r\n");
    for (const char* name : {"Content-Type", "x-request-id", "x-ratelimit-limit", "Retry-After", "Date", "Server",
                             "Cache-Control", "Vary"})
        BOOST_TEST(to_client(std::string(name) + ": x\r\n") == std::string(name) + ": x\r\n", name);
}

BOOST_AUTO_TEST_CASE(a_length_is_kept_only_where_it_still_holds) {
    BOOST_TEST(to_client("Content-Length: 5\r\n") == "");
    BOOST_TEST(to_client("Content-Length: 5\r\n", true) == "Content-Length: 5\r\n");
    BOOST_TEST(to_client("Transfer-Encoding: chunked\r\n", true) == "");
}

BOOST_AUTO_TEST_CASE(a_status_line_has_the_upstreams_reason_or_the_usual_one) {
    std::string line;
    append_status_line(line, 404);
    append_status_line(line, 418, "Teapot");
    append_status_line(line, 299);
    BOOST_TEST(line == "HTTP/1.1 404 Not Found\r\nHTTP/1.1 418 Teapot\r\nHTTP/1.1 299 OK\r\n");
}

BOOST_AUTO_TEST_SUITE_END()
