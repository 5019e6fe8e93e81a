#include <boost/test/unit_test.hpp>

#include "config/secrets.hpp"
#include "streamkeeper/config.hpp"

namespace streamkeeper {
namespace {

BOOST_AUTO_TEST_SUITE(secrets)

struct Pasted {
    std::string raw, text;
    std::vector<std::string> stripped;
};

BOOST_AUTO_TEST_CASE(pasted_keys_are_cleaned_and_it_is_said_what_went) {
    const std::vector<Pasted> table{
        {"sk-1", "sk-1", {}},
        {"sk-1\n", "sk-1", {"a trailing newline"}},
        {"sk-1\n\n", "sk-1", {"trailing newlines"}},
        {"sk-1\r\n", "sk-1", {"a trailing carriage return and newline"}},
        {"sk-1\r", "sk-1", {"a trailing carriage return"}},
        {"  sk-1\t", "sk-1", {"white space"}},
        {"\n sk-1", "sk-1", {"white space"}},
        {"\xef\xbb\xbfsk-1", "sk-1", {"a byte order mark"}},
        {"\xc2\xa0sk-1\xc2\xa0", "sk-1", {"a no-break space"}},
        {"sk\xe2\x80\x8b-1\xe2\x81\xa0", "sk-1", {"a zero-width character"}},
        {"\xe3\x80\x80sk-1", "sk-1", {"a Unicode space"}},
        {"\"sk-1\"", "sk-1", {"quotes"}},
        {"'sk-1", "sk-1", {"quotes"}},
        {"“sk-1”", "sk-1", {"quotes"}},
        {"`sk-1`", "sk-1", {"quotes"}},
        {"Bearer sk-1", "sk-1", {"the word `Bearer`"}},
        {"bearer BEARER\tsk-1", "sk-1", {"the word `Bearer`", "white space"}},
        {"Authorization: Bearer sk-1",
         "sk-1",
         {"the header name `Authorization:`", "white space", "the word `Bearer`"}},
        {"\" Bearer sk-1 \"\n", "sk-1", {"a trailing newline", "quotes", "white space", "the word `Bearer`"}},
        {"bearer-of-news", "bearer-of-news", {}},
        {"a\"b='c", "a\"b='c", {}},
    };
    for (const Pasted& each : table) {
        const CleanSecret clean = clean_secret(each.raw);
        BOOST_TEST_CONTEXT(each.raw) {
            BOOST_TEST(clean.text == each.text);
            BOOST_TEST(clean.refused == "");
        }
        // `Bearer ` leaves its blank behind, which is no news.
        std::vector<std::string> said = clean.stripped;
        if (each.raw.find("earer") != std::string::npos &&
            std::find(each.stripped.begin(), each.stripped.end(), "white space") == each.stripped.end()) {
            std::erase(said, "white space");
        }
        BOOST_TEST_CONTEXT(each.raw) { BOOST_TEST(said == each.stripped, boost::test_tools::per_element()); }
    }
}

BOOST_AUTO_TEST_CASE(what_can_not_be_a_key_is_refused_without_being_shown) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"", "is empty"},
        {" \n", "is empty"},
        {"\"\"", "is empty"},
        {"Bearer", "is empty"},
        {"sk-1\nsk-2", "more than one line"},
        {"sk-1\r\nsk-2\r\n", "more than one line"},
        {"sk-1 sk-2", "blank in the middle"},
        {"sk-ä1", "no header can carry, at byte 4"},
        {"sk-\x01", "no header can carry, at byte 4"},
        {std::string("sk\0-1", 5), "not plain text"},
        {"\xff\xfes\x01", "not plain text"},
        {"\xe2\x80", "no header can carry, at byte 1"},
    };
    for (const auto& [raw, why] : table) {
        const CleanSecret clean = clean_secret(raw);
        BOOST_TEST_CONTEXT(raw) {
            BOOST_TEST(clean.refused.find(why) != std::string::npos, clean.refused);
            BOOST_TEST(clean.text == "");
            BOOST_TEST(clean.refused.find("sk") == std::string::npos);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_secret_shows_at_most_its_vendor_prefix_and_four_characters) {
    BOOST_TEST(Secret("sk-abcdefghijkl1234").masked() == "sk-…1234");
    BOOST_TEST(Secret("0123456789abcdef").masked() == "…cdef");
    BOOST_TEST(Secret("abcdef-0123456789").masked() == "…6789");
    BOOST_TEST(Secret("sk-short").masked() == "…");
    BOOST_TEST(Secret().masked() == "…");
    BOOST_TEST((Key{"payg", Secret("sk-abcdefghijkl1234")}.shown()) == "payg (sk-…1234)");
}

BOOST_AUTO_TEST_CASE(a_secret_survives_copies_and_moves) {
    Secret first("sk-short");
    Secret second = first;
    Secret third = std::move(first);
    BOOST_TEST(second.reveal() == "sk-short");
    BOOST_TEST(third.reveal() == "sk-short");
    BOOST_TEST(first.empty());
    third = Secret("sk-another-one-that-is-long");
    BOOST_TEST(third.reveal() == "sk-another-one-that-is-long");
}

BOOST_AUTO_TEST_CASE(cleansing_reaches_the_unused_capacity) {
    std::string text = "sk-abcdefghijklmnopqrstuvwxyz";
    const char* storage = text.data();
    text.resize(3);
    configuration::cleanse(text);
    BOOST_TEST(text.empty());
    BOOST_TEST(text.data() == storage);
    text.resize(29);
    BOOST_TEST(text == std::string(29, '\0'));
}

BOOST_AUTO_TEST_CASE(fingerprints_tell_keys_apart) {
    const std::string one = Secret("sk-1").fingerprint();
    BOOST_TEST(one.size() == 16u);
    BOOST_TEST(one == Secret("sk-1").fingerprint());
    BOOST_TEST(one != Secret("sk-2").fingerprint());
}

BOOST_AUTO_TEST_CASE(siphash_gives_the_published_value) {
    // The example of the SipHash paper's appendix: key 00…0f, message 00…0e.
    std::string message;
    for (char c = 0; c < 15; ++c) message += c;
    BOOST_TEST(configuration::siphash({0x0706050403020100, 0x0f0e0d0c0b0a0908}, message) == 0xa129ca6149be45e5u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace streamkeeper
