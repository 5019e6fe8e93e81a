// Documents of all shapes by chance: the stream of each must add up to it again.

#include <algorithm>

#include "document_samples.hpp"

using namespace document_stream;
using namespace document_samples;

namespace {

void check_facts(Endpoint endpoint, const Stream& stream, const Sample& sample) {
    const auto count = [&](auto test) { return std::count_if(stream.begin(), stream.end(), test); };
    BOOST_TEST(count([](const Piece& piece) { return piece.facts.finish; }) ==
               static_cast<std::ptrdiff_t>(sample.finishes));
    const bool failed = count([](const Piece& piece) { return piece.facts.failed; }) == 1;
    BOOST_TEST(stream.back().facts.terminal == (sample.complete && !failed));
    BOOST_TEST(count([](const Piece& piece) { return piece.facts.terminal; }) == (sample.complete && !failed ? 1 : 0));
    if (endpoint == Endpoint::responses || endpoint == Endpoint::messages) return;
    std::vector<char> open;
    for (const Piece& piece : stream) streamkeeper::dialect_of(endpoint)->note_choices(piece.data, open);
    BOOST_TEST((std::count(open.begin(), open.end(), 1) == 0) == sample.complete);
    BOOST_TEST(count([](const Piece& piece) { return piece.facts.usage_only; }) ==
               (sample.sum.contains("usage") ? 1 : 0));
}

/// Many documents, each in a spelling of its own; every fourth with decoys, of which a reader that takes the first
/// of two members thinks otherwise than a client.
void run(Endpoint endpoint) {
    for (unsigned seed = 0; seed < 2500; ++seed) {
        Chance chance(seed);
        const bool with_usage = chance.of(2), decoys = seed % 4 == 3;
        const Sample sample = sample_of(endpoint, chance, with_usage);
        const std::string document = Speller(chance, decoys).spell(sample.document);
        BOOST_TEST_CONTEXT("seed " << seed << ": " << document) {
            BOOST_TEST_REQUIRE(!streamkeeper::json::scan(document));
            BOOST_TEST_REQUIRE((js::parse(document) == js::value(sample.document)));
            const Stream stream = stream_of(endpoint, document, with_usage);
            const js::value sum = join(endpoint, stream);
            BOOST_TEST_REQUIRE((sum == js::value(sample.sum)), js::serialize(sum)
                                                                   << " is not " << js::serialize(sample.sum));
            if (!decoys) check_facts(endpoint, stream, sample);
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(document_events_at_random)

BOOST_AUTO_TEST_CASE(chunks_add_up_to_the_chat_completion) { run(Endpoint::chat_completions); }

BOOST_AUTO_TEST_CASE(chunks_add_up_to_the_legacy_completion) { run(Endpoint::completions); }

BOOST_AUTO_TEST_CASE(events_add_up_to_the_message) { run(Endpoint::messages); }

BOOST_AUTO_TEST_CASE(events_add_up_to_the_response) { run(Endpoint::responses); }

/// `events_of` is for valid documents; whatever else it is given, it must touch nothing outside (sanitizers see it).
BOOST_AUTO_TEST_CASE(a_damaged_document_does_no_harm) {
    for (unsigned seed = 0; seed < 2000; ++seed) {
        Chance chance(seed);
        const Endpoint endpoint = static_cast<Endpoint>(seed % 4);
        const Sample sample = sample_of(endpoint, chance, true);
        std::string document = Speller(chance, true).spell(sample.document);
        for (std::size_t left = chance.below(4); left != 0; --left)
            document[chance.below(document.size())] = chance.one_of({"{", "}", "[", "]", "\"", "\\", ",", ":", "x"})[0];
        document.resize(chance.below(document.size()) + 1);
        document.shrink_to_fit();
        const auto events = streamkeeper::events_of(endpoint, document, true);
        BOOST_TEST((!events || events->size() <= 16U * document.size() + (64U << 10)));
    }
}

BOOST_AUTO_TEST_SUITE_END()
