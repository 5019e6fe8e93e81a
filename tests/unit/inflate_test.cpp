#include "streamkeeper/inflate.hpp"

#include <zlib.h>

#include <boost/test/unit_test.hpp>

using namespace streamkeeper::http;
namespace {

/// What zlib makes of a text; `window` chooses the format (zlib.h, deflateInit2).
std::string deflated(std::string_view text, int window) {
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&stream, text.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}
constexpr int gzip_format = 31, zlib_format = 15, raw_format = -15;
const std::string text = "hello hello hello hello, a text that is a little longer than nothing\n";
const std::string gzip = deflated(text, gzip_format), zlib = deflated(text, zlib_format),
                  raw = deflated(text, raw_format);

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

}  // namespace

BOOST_AUTO_TEST_SUITE(inflate_test)

BOOST_AUTO_TEST_CASE(every_format_is_undone_wherever_it_is_cut) {
    const std::pair<const char*, const std::string*> cases[] = {
        {"gzip", &gzip}, {"x-gzip", &gzip}, {"GZip", &gzip}, {"deflate", &zlib}, {"deflate", &raw}};
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
    const std::string bomb = deflated(std::string(70u << 20, '0'), gzip_format);
    BOOST_TEST(bomb.size() < (100u << 10));
    std::string out;
    const std::unique_ptr<Inflater> inflater = Inflater::of("gzip");
    BOOST_TEST(!inflater->feed(bomb, out));
    BOOST_TEST(out.size() <= (65u << 20));
}

BOOST_AUTO_TEST_SUITE_END()
