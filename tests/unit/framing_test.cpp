#include "streamkeeper/framing.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

using namespace streamkeeper;
using namespace streamkeeper::http;
namespace {

struct Decoded {
    std::string payload, rest;
    bool done = false, broken = false;
    friend bool operator==(const Decoded&, const Decoded&) = default;
};
std::ostream& operator<<(std::ostream& out, const Decoded& d) {
    return out << '"' << d.payload << "\" rest \"" << d.rest << (d.done ? "\" done" : "\"")
               << (d.broken ? " broken" : "");
}

Decoded decode(Framing framing, const std::vector<std::string>& parts) {
    BodyDecoder decoder(framing);
    Decoded result;
    for (const std::string& part : parts) {
        const std::vector<char> block(part.begin(), part.end());
        std::string_view in(block.data(), block.size());
        for (;;) {
            const std::string_view run = decoder.next(in);
            if (run.empty()) break;
            result.payload += run;
        }
        result.rest += in;
    }
    result.done = decoder.done();
    result.broken = decoder.broken();
    if (result.broken) result.rest.clear();  // how much was looked at before is of no interest
    return result;
}

const Framing chunked{Framing::Kind::chunked, 0};

Decoded whole(const std::string& bytes) { return decode(chunked, {bytes}); }

const std::vector<std::string> bodies{
    "0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "00005\r\nhello\r\nA\r\n0123456789\r\n1a;x=\"y\";z\r\nabcdefghijklmnopqrstuvwxyz\r\n0;last\r\nX: "
    "y\r\nZ:\r\n\r\nnext",
    "1\r\n\r\r\n2\r\n\r\n\r\n0\r\n\r\n",
    "5\r\nhelloX\r\n0\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
    "5\r\nhel",
};

}  // namespace

BOOST_AUTO_TEST_SUITE(framing_test)

BOOST_AUTO_TEST_CASE(a_chunked_body_says_the_same_wherever_it_is_cut) {
    for (const std::string& body : bodies) {
        const Decoded expected = whole(body);
        std::vector<std::string> bytes;
        for (const char c : body) bytes.emplace_back(1, c);
        BOOST_TEST(decode(chunked, bytes) == expected);
        for (std::size_t a = 0; a <= body.size(); ++a)
            for (std::size_t b = a; b <= body.size(); ++b)
                BOOST_TEST(decode(chunked, {body.substr(0, a), body.substr(a, b - a), body.substr(b)}) == expected);
    }
}

BOOST_AUTO_TEST_CASE(the_payload_is_found_and_what_follows_is_left) {
    BOOST_TEST(whole(bodies[0]) == (Decoded{"", "", true, false}));
    BOOST_TEST(whole(bodies[1]) == (Decoded{"hello", "GET / HTTP/1.1\r\n\r\n", true, false}));
    BOOST_TEST(whole(bodies[2]) == (Decoded{"hello0123456789abcdefghijklmnopqrstuvwxyz", "next", true, false}));
    BOOST_TEST(whole(bodies[3]) == (Decoded{"\r\r\n", "", true, false}));
    BOOST_TEST(whole(bodies[7]) == (Decoded{"hel", "", false, false}));
}

BOOST_AUTO_TEST_CASE(whatever_is_not_in_the_grammar_is_broken) {
    for (const char* bad : {"\r\n",
                            "g\r\n",
                            " 5\r\n",
                            "5 \r\n",
                            "+5\r\n",
                            "-5\r\n",
                            "0x5\r\n",
                            "5\n",
                            "5\rx",
                            "5;a\nb\r\n",
                            "5;a\x01\r\n",
                            "5;a\x7f\r\n",
                            "5\r\nhello\n",
                            "5\r\nhello\rx",
                            "5\r\nhello5\r\n",
                            "0\r\nX\r\n",
                            "0\r\n: y\r\n",
                            "0\r\nX y: z\r\n",
                            "0\r\n X: y\r\n",
                            "0\r\nX: y\n",
                            "0\r\n\n",
                            "0\r\nX: \x01\r\n",
                            "0\r\nX: a\rb\r\n",
                            "1000000000000000\r\n",
                            "0000000000000005\r\n",
                            ";\r\n"})
        BOOST_TEST(whole(bad).broken, bad);
    BOOST_TEST(whole("5;" + std::string(300, 'a')).broken);
    BOOST_TEST(!whole("5;" + std::string(200, 'a') + "\r\n").broken);
    std::string trailers = "0\r\n";
    for (int i = 0; i < 1000; ++i) trailers += "X: 0123456789\r\n";
    BOOST_TEST(whole(trailers).broken);
    BOOST_TEST(whole("0\r\n" + std::string(9000, 'a')).broken);
}

BOOST_AUTO_TEST_CASE(a_broken_body_takes_nothing_more) {
    BodyDecoder decoder(chunked);
    std::string_view in = "x\r\n";
    BOOST_TEST(decoder.next(in).empty());
    BOOST_TEST(decoder.broken());
    std::string_view more = "5\r\nhello\r\n0\r\n\r\n";
    BOOST_TEST(decoder.next(more).empty());
    BOOST_TEST(more.size() == 15u);
    BOOST_TEST(!decoder.end_of_input());
}

BOOST_AUTO_TEST_CASE(a_body_with_a_length_ends_there) {
    const Framing five{Framing::Kind::length, 5};
    BOOST_TEST(decode(five, {"hel", "", "lo, world"}) == (Decoded{"hello", ", world", true, false}));
    BOOST_TEST(decode(five, {"hell"}) == (Decoded{"hell", "", false, false}));
    BodyDecoder decoder(five);
    std::string_view in = "he";
    decoder.next(in);
    BOOST_TEST(decoder.remaining() == 3u);
    BOOST_TEST(!decoder.end_of_input());
}

BOOST_AUTO_TEST_CASE(a_body_until_the_close_is_whole_only_then) {
    BodyDecoder decoder(Framing{Framing::Kind::until_close, 0});
    std::string_view in = "anything";
    BOOST_TEST(decoder.next(in) == "anything");
    BOOST_TEST(!decoder.done());
    BOOST_TEST(decoder.end_of_input());
    BOOST_TEST(decoder.done());
}

BOOST_AUTO_TEST_CASE(no_body_is_done_at_once) {
    BOOST_TEST(decode({}, {"next"}) == (Decoded{"", "next", true, false}));
    BOOST_TEST(BodyDecoder().done());
}

BOOST_AUTO_TEST_CASE(the_line_that_opens_a_chunk_is_its_size_in_hexadecimal) {
    char room[18];
    BOOST_TEST(chunk_line(0, room) == "0\r\n");
    BOOST_TEST(chunk_line(255, room) == "ff\r\n");
    BOOST_TEST(chunk_line(~std::size_t{0}, room) == "ffffffffffffffff\r\n");
}

BOOST_AUTO_TEST_SUITE_END()
