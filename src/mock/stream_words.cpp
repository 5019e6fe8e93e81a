// The words about how a stream breaks inside, and about other ways to write one.
#include <array>

#include "mock/values.hpp"
#include "mock/word_table.hpp"

namespace streamkeeper::mock {
namespace {

constexpr std::string_view an_offset = "a number of bytes; one end is enough";
constexpr std::string_view events = "a number of events";

/// An end that is counted in what is written by this program, not clipped from it.
bool set_border(Fault& fault, Ending ending, std::string_view value) {
    if (fault.wire.ending != Ending::none) return false;
    fault.wire.ending = ending;
    return (fault.wire.border = whole_number(value)).has_value();
}

bool set_end(Fault& fault, Ending ending, std::string_view value) {
    if (fault.wire.ending != Ending::none) return false;
    fault.wire.ending = ending;
    return (fault.wire.left = whole_number(value)).has_value();
}

bool set_number(std::optional<std::size_t>& target, std::string_view value) {
    return (target = whole_number(value)).has_value();
}

template <bool Rewriting::* flag>
bool set(Fault& fault, std::string_view) {
    return fault.rewriting.*flag = true;
}

constexpr std::array words{
    Word{"end_chunked", Value::required, an_offset,
         [](Fault& fault, std::string_view value) { return set_border(fault, Ending::end_chunked, value); }},
    Word{"fin_chunk", Value::required, an_offset,
         [](Fault& fault, std::string_view value) { return set_border(fault, Ending::chunk_border, value); }},
    Word{"stall_comments", Value::required, an_offset,
         [](Fault& fault, std::string_view value) { return set_border(fault, Ending::comments, value); }},
    Word{"tls_fin", Value::required, an_offset,
         [](Fault& fault, std::string_view value) { return set_end(fault, Ending::fin, value); }},
    Word{"close_notify", Value::required, an_offset,
         [](Fault& fault, std::string_view value) { return set_end(fault, Ending::close_notify, value); }},
    Word{"early_done", Value::required, events,
         [](Fault& fault, std::string_view value) { return set_number(fault.early_done, value); }},
    Word{"garbage", Value::required, events,
         [](Fault& fault, std::string_view value) { return set_number(fault.garbage, value); }},
    Word{"torn", Value::required, events,
         [](Fault& fault, std::string_view value) { return set_number(fault.torn, value); }},
    Word{"then_done", Value::none, "", [](Fault& fault, std::string_view) { return fault.then_done = true; }},
    Word{"coalesce", Value::required, "a number of events, at least 1",
         [](Fault& fault, std::string_view value) {
             fault.rewriting.coalesce = whole_number(value).value_or(0);
             return fault.rewriting.coalesce != 0;
         }},
    Word{"crlf", Value::none, "", set<&Rewriting::crlf>},
    Word{"cr", Value::none, "", set<&Rewriting::cr>},
    Word{"bom", Value::none, "", set<&Rewriting::bom>},
    Word{"comments", Value::none, "", set<&Rewriting::comments>},
    Word{"no_space", Value::none, "", set<&Rewriting::no_space>},
    Word{"no_done", Value::none, "", set<&Rewriting::no_done>},
    Word{"multi_line", Value::none, "", set<&Rewriting::multi_line>},
    Word{"ids", Value::none, "", set<&Rewriting::ids>},
    Word{"no_blank_at_end", Value::none, "", set<&Rewriting::no_blank_at_end>},
    Word{"empty_data_first", Value::none, "", set<&Rewriting::empty_data_first>},
    Word{"finish_no_done", Value::none, "", set<&Rewriting::finish_no_done>},
    Word{"gzip", Value::none, "", set<&Rewriting::gzip>},
    Word{"http10", Value::none, "", set<&Rewriting::http10>},
};

}  // namespace

std::span<const Word> stream_words() { return words; }

}  // namespace streamkeeper::mock
