#include "http/target.hpp"

#include <boost/test/unit_test.hpp>

using namespace streamkeeper;
using namespace streamkeeper::http;
namespace {

/// `upstream suffix`, or "-" for no API path.
std::string api(std::string_view path) {
    const std::optional<ApiPath> found = api_path(path);
    return found ? found->upstream + " " + found->suffix : "-";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(target_test)

BOOST_AUTO_TEST_CASE(paths_that_two_servers_may_read_differently_are_refused) {
    for (const char* path : {"/.",    "/..",    "/v1/../x",   "/v1/./x",      "/v1/..",         "/%2e%2e/x", "/%2E./x",
                             "/.%2e", "/a/%2e", "/v1/..%2fx", "/v1%2f..%2fx", "/v1/%2e%2e%2fx", "/..;a/x",   "/v1/.;/x",
                             "/a\\b", "/a%5cb", "/a%5C..",    "/a%00",        "/a%0a",          "/a%0D%0Ab", "/a%1f",
                             "/a%7F", "/%",     "/a%",        "/a%2",         "/a%g0",          "/a%0g",     "/a%%41"})
        BOOST_TEST(judge_path(path).has_value(), path);
}

BOOST_AUTO_TEST_CASE(harmless_paths_pass_as_they_are) {
    for (const char* path : {"/", "/v1/models", "/v1/...", "/v1/..a", "/v1/a..", "/v1/.well-known/x", "/v1/a%2Fb",
                             "/v1/%E2%82%AC", "/v1/a;b=c", "/v1/%252e%252e/x", "/v1/a:b@c", "/v1/gpt-4.1"})
        BOOST_TEST(!judge_path(path).has_value(), path);
}

BOOST_AUTO_TEST_CASE(paths_are_forgiving_where_tools_differ) {
    for (const char* path : {"/v1/chat/completions", "/chat/completions", "/v1/v1/chat/completions",
                             "//v1///chat/completions//", "/openai/v1/chat/completions", "/v1/chat/completions/"})
        BOOST_TEST(api(path) == " /chat/completions", path);
    BOOST_TEST(api("/u/one/v1/messages") == "one /messages");
    BOOST_TEST(api("/u/one/messages") == "one /messages");
    BOOST_TEST(api("/u/one/anything/at/all") == "one /anything/at/all");
    BOOST_TEST(api("/u/a%2Fb/v1/x") == "a/b /x");
    BOOST_TEST(api("/v1/anything/at/all") == " /anything/at/all");
    BOOST_TEST(api("/api/models") == " /models");
    BOOST_TEST(api("/v1/models/") == " /models");
    BOOST_TEST(api("/v1/a%2Fb") == " /a%2Fb");
}

BOOST_AUTO_TEST_CASE(a_stray_path_is_no_api_path) {
    for (const char* path : {"/", "/v1", "/v1/", "/u", "/u/one", "/u/one/v1", "/favicon.ico", "/v2/chat/completions",
                             "/api", "/api/tags", "/openai/chat/completions", "*", "", "/Chat/completions"})
        BOOST_TEST(api(path) == "-", path);
}

BOOST_AUTO_TEST_CASE(only_the_exact_suffix_is_an_endpoint) {
    BOOST_TEST((endpoint_of("/chat/completions") == Endpoint::chat_completions));
    BOOST_TEST((endpoint_of("/completions") == Endpoint::completions));
    BOOST_TEST((endpoint_of("/responses") == Endpoint::responses));
    BOOST_TEST((endpoint_of("/messages") == Endpoint::messages));
    BOOST_TEST((endpoint_of("/embeddings") == Endpoint::embeddings));
    BOOST_TEST((endpoint_of("/models") == Endpoint::models));
    for (const char* suffix :
         {"/messages/count_tokens", "/responses/r1", "/models/gpt-4", "/chat", "", "/audio/speech"})
        BOOST_TEST((endpoint_of(suffix) == Endpoint::other), suffix);
}

BOOST_AUTO_TEST_CASE(credentials_are_taken_out_of_the_query_and_nothing_else) {
    const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                         {"a=b", "?a=b"},
                                                         {"key=x", ""},
                                                         {"api_key=x&a=b", "?a=b"},
                                                         {"a=b&api-key=x&c=d", "?a=b&c=d"},
                                                         {"KEY=x&Api_Key=y", ""},
                                                         {"k%65y=x", ""},
                                                         {"api%5Fkey=x&a", "?a"},
                                                         {"keys=x&mykey=y", "?keys=x&mykey=y"},
                                                         {"key", ""},
                                                         {"a=key", "?a=key"},
                                                         {"a=b%26key=c", "?a=b%26key=c"}};
    for (const auto& [query, sent] : cases) BOOST_TEST(query_without_credentials(query) == sent, query);
}

BOOST_AUTO_TEST_SUITE_END()
