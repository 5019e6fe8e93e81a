#include "streamkeeper/head.hpp"

#include <algorithm>
#include <boost/beast/http.hpp>
#include <boost/test/unit_test.hpp>
#include <random>

using namespace streamkeeper;
using namespace streamkeeper::http;
namespace beast = boost::beast;
namespace {

constexpr std::size_t limit = 64 << 10;

/// Everything that a head says, as text; a refusal as its status and message.
std::string told(const std::variant<Incomplete, RequestHead, Refusal>& result) {
    if (std::holds_alternative<Incomplete>(result)) return "incomplete";
    if (const Refusal* refusal = std::get_if<Refusal>(&result))
        return std::to_string(refusal->status) + " " + std::string(refusal->code) + " " + refusal->message;
    const RequestHead& head = std::get<RequestHead>(result);
    std::string text = std::string(head.method) + "|" + std::string(head.target) + "|" + std::string(head.path) + "|" +
                       std::string(head.query) + "|" + std::string(head.authority) + "|" + std::to_string(head.minor) +
                       "|" + std::to_string(static_cast<int>(head.body.kind)) + "|" + std::to_string(head.body.length) +
                       "|" + std::to_string(head.size) + "|" + (head.keep_alive ? "k" : "") +
                       (head.expect_continue ? "e" : "") + (head.websocket ? "w" : "");
    for (const Field& field : head.fields.all) text += "\n" + std::string(field.name) + "=" + std::string(field.value);
    return text;
}

/// Parsed from a block of its own that ends with the bytes, so that a sanitizer sees a read beyond them.
std::string parse(std::string_view bytes, std::size_t most = limit) {
    const std::vector<char> block(bytes.begin(), bytes.end());
    return told(read_request_head({block.data(), block.size()}, most));
}

std::string get(std::string_view lines) {
    return "GET /v1/models HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n";
}
bool accepted(std::string_view bytes) { return std::holds_alternative<RequestHead>(read_request_head(bytes, limit)); }
int refused(std::string_view bytes) {
    const auto result = read_request_head(bytes, limit);
    const Refusal* const refusal = std::get_if<Refusal>(&result);
    return refusal ? refusal->status : 0;
}

const std::vector<std::string>& heads() {
    static const std::vector<std::string> all{
        get(""),
        "\r\n" + get("X: y\r\n"),
        "POST /v1/chat/completions?a=b&c HTTP/1.1\r\nhost:localhost:8817\r\nContent-Length: 12\r\nX:\t a b "
        "\t\r\nE:\r\n\r\n",
        "POST http://localhost/v1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: Chunked\r\nExpect: "
        "100-continue\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: [::1]:1\r\nConnection: keep-alive\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: a, CLOSE\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c, WebSocket\r\n\r\n",
        get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
        get("Host: b\r\n"),
        get("X : y\r\n"),
        get("X: y\r\n z\r\n"),
        "GET /v1 HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /v1 HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "GET /v1 HTTP/1.1\r\n\r\n",
    };
    return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(head_test)

BOOST_AUTO_TEST_CASE(a_head_says_the_same_wherever_it_is_cut) {
    for (const std::string& head : heads()) {
        const std::string whole = parse(head);
        BOOST_TEST(whole != "incomplete");
        BOOST_TEST(parse(head + "GET /next HTTP/1.1\r\n\r\n") == whole);
        for (std::size_t at = 0; at < head.size(); ++at) {
            const std::string part = parse(head.substr(0, at));
            // A part is not yet judged, or refused as the whole is; it is never taken for a whole head.
            if (part != "incomplete") BOOST_TEST(part == whole, head << " cut at " << at << ": " << part);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_parts_of_a_head_are_found) {
    const std::string bytes = heads()[2];
    const auto result = read_request_head(bytes, limit);
    const RequestHead& head = std::get<RequestHead>(result);
    BOOST_TEST(head.method == "POST");
    BOOST_TEST(head.path == "/v1/chat/completions");
    BOOST_TEST(head.query == "a=b&c");
    BOOST_TEST(head.authority == "localhost:8817");
    BOOST_TEST(head.body.length == 12u);
    BOOST_TEST(head.fields.get("x") == "a b");
    BOOST_TEST(head.fields.has("E"));
    BOOST_TEST(head.fields.get("E") == "");
    BOOST_TEST(head.size == bytes.size());
    BOOST_TEST(head.keep_alive);
}

BOOST_AUTO_TEST_CASE(an_absolute_target_outranks_the_host) {
    const auto result = read_request_head("GET HTTP://Other:1/a?b HTTP/1.1\r\nHost: a\r\n\r\n", limit);
    const RequestHead& head = std::get<RequestHead>(result);
    BOOST_TEST(head.authority == "Other:1");
    BOOST_TEST(head.path == "/a");
    BOOST_TEST(head.query == "b");
}

BOOST_AUTO_TEST_CASE(a_connection_stays_open_only_in_http_1_1_without_close) {
    const auto keeps = [](const std::string& bytes) {
        const auto result = read_request_head(bytes, limit);
        return std::get<RequestHead>(result).keep_alive;
    };
    BOOST_TEST(keeps(get("")));
    BOOST_TEST(keeps(get("Connection: closed, x-close\r\n")));
    BOOST_TEST(!keeps(get("Connection: x\r\nConnection: Close\r\n")));
    BOOST_TEST(!keeps("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"));
}

BOOST_AUTO_TEST_CASE(every_byte_that_is_no_token_is_refused_in_a_name_and_every_control_byte_in_a_value) {
    const std::string token = "!#$%&'*+-.^_`|~";
    for (int c = 0; c < 256; ++c) {
        const char byte = static_cast<char>(c);
        const bool named = (c < 128 && std::isalnum(c)) || (c != 0 && token.find(byte) != std::string::npos);
        const std::string name = get(std::string("X") + byte + "Y: z\r\n");
        if (c != ':') BOOST_TEST(accepted(name) == named, "name byte " << c);
        const bool valued = c == '\t' || (c >= 0x20 && c != 0x7f);
        BOOST_TEST(accepted(get(std::string("X: y") + byte + "z\r\n")) == valued, "value byte " << c);
        const std::string target = std::string("GET /a") + byte + "b HTTP/1.1\r\nHost: a\r\n\r\n";
        const bool visible = c > 0x20 && c < 0x7f && c != '#';
        BOOST_TEST(accepted(target) == visible, "target byte " << c);
        const std::string method = std::string("GE") + byte + "T / HTTP/1.1\r\nHost: a\r\n\r\n";
        BOOST_TEST(accepted(method) == named, "method byte " << c);
    }
}

BOOST_AUTO_TEST_CASE(sizes_are_bounded_before_the_head_is_whole) {
    BOOST_TEST(parse("GET / HTTP/1.1\r\nX: " + std::string(100, 'a'), 100).starts_with("431"));
    BOOST_TEST(parse("GET /" + std::string(100, 'a'), 100).starts_with("431"));
    BOOST_TEST(parse("GET / HTTP/1.1\r\nX: " + std::string(50, 'a'), 100) == "incomplete");
    const std::string head = get("X: y\r\n");
    BOOST_TEST(!parse(head, head.size()).starts_with("431"));
    BOOST_TEST(parse(head, head.size() - 1).starts_with("431"));
    BOOST_TEST(!parse(head + std::string(200, 'b'), head.size()).starts_with("431"));
    std::string many;
    for (std::size_t i = 1; i < max_fields; ++i) many += "X: y\r\n";
    BOOST_TEST(accepted(get(many)));
    BOOST_TEST(refused(get(many + "X: y\r\n")) == 431);
}

BOOST_AUTO_TEST_CASE(a_version_but_1_0_and_1_1_is_505_or_no_version_at_all) {
    for (const char* version : {"HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0"})
        BOOST_TEST(refused("GET / " + std::string(version) + "\r\nHost: a\r\n\r\n") == 505, version);
    for (const char* version : {"HTTP/1.", "HTTP/11", "HTTP/1.1.1", "http/1.1", "HTTP 1.1", "HTTP/ 1.1", "HTTP/x.y"})
        BOOST_TEST(refused("GET / " + std::string(version) + "\r\nHost: a\r\n\r\n") == 400, version);
}

BOOST_AUTO_TEST_CASE(views_follow_the_bytes_when_they_are_moved) {
    std::string bytes = heads()[2];
    auto result = read_request_head(bytes, limit);
    RequestHead head = std::get<RequestHead>(result);
    const std::string before = told(result);
    const std::string copy = bytes;
    rebase(head, bytes, copy.data());
    std::fill(bytes.begin(), bytes.end(), '?');
    BOOST_TEST(told(head) == before);
}

BOOST_AUTO_TEST_CASE(a_list_field_has_a_token_only_as_a_whole_element) {
    const std::string bytes = get("Connection: a,, b ,C\r\nConnection: d\r\n");
    const auto result = read_request_head(bytes, limit);
    const Fields& fields = std::get<RequestHead>(result).fields;
    for (const char* token : {"a", "B", "c", "D"}) BOOST_TEST(fields.lists("connection", token), token);
    for (const char* token : {"a,", "ab", "e", "b ,C"}) BOOST_TEST(!fields.lists("connection", token), token);
}

BOOST_AUTO_TEST_CASE(a_response_says_the_same_wherever_it_is_cut) {
    const std::string good = "HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nX: y\r\n\r\n";
    for (std::size_t at = 0; at < good.size(); ++at)
        BOOST_TEST(std::holds_alternative<Incomplete>(read_response_head(good.substr(0, at), limit, false)), at);
    const std::string longer = good + "abc";
    const auto result = read_response_head(longer, limit, false);
    const ResponseHead& head = std::get<ResponseHead>(result);
    BOOST_TEST(head.status == 200);
    BOOST_TEST(head.reason == "Fine");
    BOOST_TEST(head.size == good.size());
    BOOST_TEST(head.body.length == 3u);
    for (const char* bad :
         {"HTTP/1.1 200", "HTTP/1.1 20 OK", "HTTP/1.1 099 OK", "HTTP/1.1 600 OK", "HTTP/1.1  200 OK",
          "HTTP/1.1 2000 OK", "HTTP/2.0 200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK", "ICY 200 OK"}) {
        const bool shortest = std::string_view(bad) == "HTTP/1.1 200";  // a status line may end there
        const auto judged = read_response_head(std::string(bad) + "\r\n\r\n", limit, false);
        BOOST_TEST(std::holds_alternative<Refusal>(judged) == !shortest, bad);
    }
}

BOOST_AUTO_TEST_CASE(the_framing_of_a_response_follows_rfc_9112_6_3) {
    const auto framing = [](const std::string& start, const std::string& lines, bool to_head = false) {
        const auto result = read_response_head("HTTP/1." + start + "\r\n" + lines + "\r\n", limit, to_head);
        const ResponseHead* const head = std::get_if<ResponseHead>(&result);
        return head ? static_cast<int>(head->body.kind) : -1;
    };
    const int none = static_cast<int>(Framing::Kind::none), length = static_cast<int>(Framing::Kind::length),
              chunked = static_cast<int>(Framing::Kind::chunked), close = static_cast<int>(Framing::Kind::until_close);
    BOOST_TEST(framing("1 200 OK", "Content-Length: 5\r\n") == length);
    BOOST_TEST(framing("1 200 OK", "Content-Length: 0\r\n") == none);
    BOOST_TEST(framing("1 200 OK", "Transfer-Encoding: chunked\r\n") == chunked);
    BOOST_TEST(framing("1 200 OK", "") == close);
    BOOST_TEST(framing("0 200 OK", "") == close);
    BOOST_TEST(framing("0 200 OK", "Transfer-Encoding: chunked\r\n") == -1);
    BOOST_TEST(framing("1 200 OK", "Content-Length: 5\r\n", true) == none);
    for (const char* status : {"1 100 C", "1 204 N", "1 304 N"}) {
        BOOST_TEST(framing(status, "Content-Length: 5\r\n") == none);
        BOOST_TEST(framing(status, "Transfer-Encoding: chunked\r\n") == none);
        BOOST_TEST(framing(status, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") == -1);
    }
}

// ---- differential: whatever is accepted here, another parser understands in the same way

namespace {

using BeastHead = beast::http::request<beast::http::empty_body>;

/// Beast's view of a request head; nothing if it refuses.
std::optional<BeastHead> by_beast(const std::string& bytes, beast::error_code& error) {
    beast::http::request_parser<beast::http::empty_body> parser;
    parser.header_limit(1 << 20);
    parser.eager(false);
    parser.skip(true);
    parser.put(boost::asio::buffer(bytes), error);
    if (error && error != beast::http::error::need_more) return std::nullopt;
    if (!parser.is_header_done()) return std::nullopt;
    return parser.release();
}

void compare(const std::string& bytes, std::size_t& both) {
    const auto result = read_request_head(bytes, limit);
    const RequestHead* const ours = std::get_if<RequestHead>(&result);
    if (!ours) return;
    beast::error_code error;
    const std::optional<BeastHead> theirs = by_beast(bytes, error);
    // Beast judges the grammar of Connection and Upgrade as well. Both end here: neither is ever sent on.
    const bool lists = ours->fields.has("connection") || ours->fields.has("upgrade");
    if (!theirs && lists && error == beast::http::error::bad_value) return;
    BOOST_TEST_REQUIRE(theirs.has_value(), "accepted here and refused by Beast: " << bytes);
    ++both;
    BOOST_TEST(std::string(theirs->method_string()) == ours->method, bytes);
    BOOST_TEST(std::string(theirs->target()) == ours->target, bytes);
    BOOST_TEST(theirs->version() == 10u + static_cast<unsigned>(ours->minor), bytes);
    BOOST_TEST(theirs->chunked() == (ours->body.kind == Framing::Kind::chunked), bytes);
    std::vector<std::string> a, b;
    for (const Field& field : ours->fields.all) a.push_back(std::string(field.name) + "=" + std::string(field.value));
    for (const auto& field : *theirs) b.push_back(std::string(field.name_string()) + "=" + std::string(field.value()));
    std::sort(a.begin(), a.end());  // Beast keeps fields of one name together
    std::sort(b.begin(), b.end());
    BOOST_TEST(a == b, boost::test_tools::per_element());
}

std::string random_head(std::mt19937& random) {
    static const std::vector<std::string> pieces{"GET",
                                                 "POST",
                                                 " ",
                                                 "/",
                                                 "/v1/chat/completions",
                                                 "?a=b",
                                                 "HTTP/1.1",
                                                 "HTTP/1.0",
                                                 "\r\n",
                                                 "\n",
                                                 "\r",
                                                 "\t",
                                                 ":",
                                                 "Host: a",
                                                 "Host",
                                                 "Content-Length: 5",
                                                 "Content-Length",
                                                 "Transfer-Encoding: chunked",
                                                 "Transfer-Encoding",
                                                 "chunked",
                                                 ",",
                                                 "X: y",
                                                 "Expect: 100-continue",
                                                 "Connection: close",
                                                 "\0",
                                                 "\x7f",
                                                 "\xe9",
                                                 "http://a/",
                                                 "%2e",
                                                 ";",
                                                 "\"",
                                                 "-1",
                                                 "0"};
    std::string head = heads()[random() % heads().size()];
    for (std::size_t edits = random() % 4; edits > 0; --edits) {
        const std::size_t at = random() % (head.size() + 1);
        switch (random() % 3) {
            case 0: head.insert(at, pieces[random() % pieces.size()]); break;
            case 1: head.erase(at, random() % 4); break;
            default: head.replace(at, random() % 4, pieces[random() % pieces.size()]);
        }
    }
    return head;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_accepted_means_the_same_to_boost_beast) {
    std::size_t both = 0;
    for (const std::string& head : heads()) compare(head.starts_with("\r\n") ? head.substr(2) : head, both);
    std::mt19937 random(7);
    for (int i = 0; i < 60'000; ++i) {
        std::string head = random_head(random);
        // Beast takes no empty line before a request, as RFC 9112, 2.2 would have it.
        while (head.starts_with("\r\n")) head.erase(0, 2);
        compare(head, both);
    }
    BOOST_TEST(both > 5'000u);
}

BOOST_AUTO_TEST_SUITE_END()
