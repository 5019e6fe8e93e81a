#include "streamkeeper/inflate.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>

using namespace streamkeeper::http;
namespace {

/// Made once by a reference implementation: "hello hello hello hello\n" in each format.
std::string bytes(std::initializer_list<int> values) {
    std::string result;
    for (const int value : values) result.push_back(static_cast<char>(value));
    return result;
}
const std::string text = "hello hello hello hello\n";
const std::string gzip = bytes({31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 203, 72, 205, 201, 201, 87, 200, 64, 39, 185, 0, 0, 136, 89, 11, 24, 0, 0, 0});
const std::string zlib = bytes({120, 218, 203, 72, 205, 201, 201, 87, 200, 64, 39, 185, 0, 112, 190, 8, 187});
const std::string raw = bytes({203, 72, 205, 201, 201, 87, 200, 64, 39, 185, 0});

struct Result {
    std::string out;
    bool fine = true, finished = false;
};

Result inflate_in_parts(std::string_view coding, const std::string& data, std::size_t part) {
    Result result;
    const std::unique_ptr<Inflater> inflater = Inflater::of(coding);
    for (std::size_t at = 0; at < data.size() && result.fine; at += part) {
        const std::string piece = data.substr(at, part);
        result.fine = inflater->feed(piece, result.out);
    }
    result.finished = inflater->finished();
    return result;
}

/// Stored blocks of zeros are easy to make by hand, compressed ones are not: a bomb from a table.
std::string bomb() { return bytes({236, 193, 1, 1, 0, 0, 0, 128, 144, 254, 175, 238, 8, 10}) + std::string(4094, static_cast<char>(0)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(inflate_test)

BOOST_AUTO_TEST_CASE(every_format_is_undone_wherever_it_is_cut) {
    const std::pair<const char*, const std::string*> cases[] = {{"gzip", &gzip}, {"x-gzip", &gzip}, {"GZip", &gzip}, {"deflate", &zlib}, {"deflate", &raw}};
    for (const auto& [coding, data] : cases)
        for (std::size_t part = 1; part <= data->size(); ++part) {
            const Result result = inflate_in_parts(coding, *data, part);
            BOOST_TEST(result.fine);
            BOOST_TEST(result.finished);
            BOOST_TEST(result.out == text);
        }
}

BOOST_AUTO_TEST_CASE(what_is_cut_is_not_finished) {
    for (std::size_t size = 0; size < gzip.size(); ++size) {
        const Result result = inflate_in_parts("gzip", gzip.substr(0, size), 7);
        BOOST_TEST(result.fine);
        BOOST_TEST(!result.finished);
        BOOST_TEST(text.starts_with(result.out));
    }
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_is_a_failure_or_changes_nothing) {
    for (std::size_t at = 0; at < gzip.size(); ++at) {
        std::string broken = gzip;
        broken[at] = static_cast<char>(broken[at] ^ 0x10);
        const Result result = inflate_in_parts("gzip", broken, broken.size());
        const bool whole = result.fine && result.finished;
        BOOST_TEST((!whole || result.out == text), "byte " << at);
    }
}

BOOST_AUTO_TEST_CASE(bytes_after_the_end_are_a_failure) {
    const Result at_once = inflate_in_parts("gzip", gzip + "x", 1000);
    BOOST_TEST(!at_once.fine);
    const Result later = inflate_in_parts("gzip", gzip + "x", gzip.size());
    BOOST_TEST(!later.fine);
}

BOOST_AUTO_TEST_CASE(other_codings_are_unknown) {
    for (const char* coding : {"br", "zstd", "identity", "", "gzip, gzip", "compress", "gzip;q=1"})
        BOOST_TEST(!Inflater::of(coding), coding);
}

BOOST_AUTO_TEST_CASE(a_feed_that_grows_beyond_all_reason_is_a_failure) {
    std::string out;
    const std::unique_ptr<Inflater> inflater = Inflater::of("deflate");
    BOOST_TEST(!inflater->feed(bomb(), out));
    BOOST_TEST(out.size() <= (65u << 20));
}

BOOST_AUTO_TEST_SUITE_END()
