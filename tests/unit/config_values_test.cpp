#include <boost/test/unit_test.hpp>

#include "config/address.hpp"
#include "config/presets.hpp"
#include "config/values.hpp"
#include "streamkeeper/config.hpp"

namespace streamkeeper {
namespace {

BOOST_AUTO_TEST_SUITE(config_values)

BOOST_AUTO_TEST_CASE(durations_have_one_unit) {
    const std::vector<std::pair<std::string, std::int64_t>> good{
        {"250ms", 250}, {"5s", 5000}, {"10m", 600'000}, {"2h", 7'200'000}, {"0s", 0}, {"10000h", 36'000'000'000}};
    for (const auto& [text, milliseconds] : good) {
        BOOST_TEST_CONTEXT(text) { BOOST_TEST(parse_duration(text).value().count() == milliseconds); }
    }
    BOOST_TEST((parse_duration("off") == no_limit));
    for (const char* text : {"", "5", "s", "-5s", "+5s", "1.5s", "5 s", "5S", "1m30s", "10001h", "5d", "OFF",
                             "99999999999999999999s", "9223372036854775807h"}) {
        BOOST_TEST_CONTEXT(text) { BOOST_TEST(!parse_duration(text)); }
    }
}

BOOST_AUTO_TEST_CASE(sizes_are_binary_or_bytes) {
    const std::vector<std::pair<std::string, Bytes>> good{
        {"0", 0}, {"1000", 1000}, {"64KiB", 65536}, {"64MiB", 67108864}, {"4GiB", 4294967296}};
    for (const auto& [text, bytes] : good) {
        BOOST_TEST_CONTEXT(text) { BOOST_TEST(parse_size(text).value() == bytes); }
    }
    for (const char* text : {"", "KiB", "64KB", "64kib", "-1", "1.5MiB", "64 MiB", "9223372036854775807GiB"}) {
        BOOST_TEST_CONTEXT(text) { BOOST_TEST(!parse_size(text)); }
    }
}

BOOST_AUTO_TEST_CASE(values_are_written_as_they_are_read) {
    for (const char* text : {"250ms", "1500ms", "5s", "300s", "2h", "0s", "off"}) {
        BOOST_TEST(configuration::format_duration(parse_duration(text).value()) == text);
    }
    for (const char* text : {"0", "1000", "64KiB", "256MiB", "1GiB"}) {
        BOOST_TEST(configuration::format_size(parse_size(text).value()) == text);
    }
}

BOOST_AUTO_TEST_CASE(listen_addresses_are_literals_or_paths) {
    const auto four = parse_listen("127.0.0.1:8817").value();
    BOOST_TEST(four.host == "127.0.0.1");
    BOOST_TEST(four.port == 8817);
    BOOST_TEST(four.loopback());
    const auto six = parse_listen("[::1]:0").value();
    BOOST_TEST(six.host == "::1");
    BOOST_TEST(six.loopback());
    BOOST_TEST(six.text == "[::1]:0");
    BOOST_TEST(!parse_listen("0.0.0.0:80")->loopback());
    BOOST_TEST(!parse_listen("[::]:80")->loopback());
    BOOST_TEST(parse_listen("[::ffff:127.0.0.1]:80")->loopback());
    BOOST_TEST(parse_listen("localhost:80")->host == "127.0.0.1");
    const auto path = parse_listen("unix:/run/x.sock").value();
    BOOST_TEST((path.kind == ListenAddress::Kind::unix_socket));
    BOOST_TEST(path.host == "/run/x.sock");
    BOOST_TEST(path.loopback());
    const std::string long_path = "unix:/" + std::string(107, 'x');
    for (const std::string& text :
         {std::string("8817"), std::string(":8817"), std::string("::1:8817"), std::string("example.org:80"),
          std::string("127.0.0.1:65536"), std::string("127.0.0.1:"), std::string("127.0.0.1"),
          std::string("[127.0.0.1]:80"), std::string("unix:run/x"), std::string(), long_path}) {
        BOOST_TEST_CONTEXT(text) { BOOST_TEST(!parse_listen(text)); }
    }
}

BOOST_AUTO_TEST_CASE(base_urls_are_normalised) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"https://API.Example.org/v1/", "https://api.example.org/v1"},
        {"https://api.example.org:443", "https://api.example.org"},
        {"http://localhost:80/", "http://localhost"},
        {"https://x.org:8443/a/v2//", "https://x.org:8443/a/v2"},
        {"HTTP://[::1]:11434/v1", "http://[::1]:11434/v1"},
        {"https://x.org:/v1", "https://x.org/v1"},
    };
    for (const auto& [text, normal] : table) {
        BOOST_TEST_CONTEXT(text) { BOOST_TEST(parse_base_url(text).value().text == normal); }
    }
    const BaseUrl six = parse_base_url("http://[::1]:11434/v1").value();
    BOOST_TEST(six.host == "::1");
    BOOST_TEST(six.port == 11434);
    BOOST_TEST(!six.tls);
    BOOST_TEST(six.authority() == "[::1]:11434");
    BOOST_TEST(six.path == "/v1");
    BOOST_TEST(parse_base_url("https://x.org")->authority() == "x.org");
}

BOOST_AUTO_TEST_CASE(a_refused_base_url_says_why) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"api.openai.com/v1", "did you mean `https://api.openai.com/v1`"},
        {"ftp://x.org", "must begin with https://"},
        {"https://u:p@x.org", "user name"},
        {"https://x.org/v1?key=1", "query"},
        {"https://x.org/v1#a", "fragment"},
        {"https:///v1", "has no host"},
        {"https://x.org:99999/", "port outside"},
        {"https://x.org:0/", "port outside"},
        {"https://a%20b/", "neither a name nor an address"},
        {"https://x.org/v1/chat/completions", "leave out `/chat/completions`: `https://x.org/v1`"},
        {"https://x y", "no valid URL"},
    };
    for (const auto& [text, why] : table) {
        const auto reading = configuration::read_base_url(text);
        BOOST_TEST_CONTEXT(text) {
            BOOST_TEST(!reading.url);
            BOOST_TEST(reading.reason.find(why) != std::string::npos, reading.reason);
        }
    }
}

BOOST_AUTO_TEST_CASE(overrides_win_over_their_base_and_leave_the_rest) {
    TimeoutOverrides overrides;
    overrides.connect = Duration(1);
    overrides.total = Duration(2);
    const Timeouts made = overrides.over(Timeouts{});
    BOOST_TEST(made.connect.count() == 1);
    BOOST_TEST(made.total.count() == 2);
    BOOST_TEST(made.first_byte.count() == 300'000);
    BOOST_TEST(made.client_head.count() == 10'000);
}

BOOST_AUTO_TEST_CASE(presets_have_good_urls_and_are_found_by_host) {
    for (const auto& preset : configuration::presets()) {
        BOOST_TEST_CONTEXT(preset.name) {
            if (preset.name == "generic") {
                BOOST_TEST(preset.base_url == "");
                continue;
            }
            const auto url = parse_base_url(preset.base_url);
            BOOST_REQUIRE(url);
            BOOST_TEST(url->text == preset.base_url);
            BOOST_TEST(configuration::preset_at(*url) == &preset);
        }
    }
    BOOST_TEST(configuration::preset_at(parse_base_url("http://localhost:11434").value())->name == "ollama");
    BOOST_TEST(configuration::preset_at(parse_base_url("http://127.0.0.1:9").value()) == nullptr);
}

BOOST_AUTO_TEST_CASE(registry_keys_change_with_url_and_key_but_not_with_a_key_name) {
    Upstream one;
    one.name = "a";
    one.base_url = parse_base_url("https://x.org/v1").value();
    one.keys.push_back({"k", Secret("sk-1")});
    Upstream two = one;
    two.keys[0].name = "other";
    BOOST_TEST(one.registry_key() == two.registry_key());
    two.keys[0].secret = Secret("sk-2");
    BOOST_TEST(one.registry_key() != two.registry_key());
    BOOST_TEST(one.registry_key().find("sk-1") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_mistake_is_written_with_the_parts_of_its_place_that_exist) {
    BOOST_TEST((ConfigMistake{"f.yaml", 3, 7, "m"}.text()) == "f.yaml:3:7: m");
    BOOST_TEST((ConfigMistake{"f.yaml", 0, 0, "m"}.text()) == "f.yaml: m");
    BOOST_TEST((ConfigMistake{"", 0, 0, "m"}.text()) == "m");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace streamkeeper
