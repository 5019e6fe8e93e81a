#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>
#include <set>

#include "config/schema.hpp"
#include "config_folder.hpp"

namespace streamkeeper {
namespace {

using namespace configuration;

BOOST_AUTO_TEST_SUITE(config_schema)

BOOST_AUTO_TEST_CASE(the_shipped_schema_is_the_generated_one) {
    BOOST_TEST((test::contents(SOURCE_DIR "/etc/streamkeeper.schema.json") == config_schema_json()),
               "stale; run: streamkeeper check --schema > etc/streamkeeper.schema.json");
}

BOOST_AUTO_TEST_CASE(the_reference_page_is_the_generated_one) {
    BOOST_TEST((test::contents(SOURCE_DIR "/docs/configuration.md") == config_reference_markdown()),
               "stale; run: streamkeeper check --reference > docs/configuration.md");
}

BOOST_AUTO_TEST_CASE(the_example_file_is_the_one_on_the_reference_page_and_loads) {
    const std::string example = test::contents(SOURCE_DIR "/etc/streamkeeper.yaml.example");
    BOOST_TEST((example == first_configuration()));
    const test::Folder folder;
    folder.write("keys/apertis-payg", "sk-abcdefghijkl1234\n");
    const LoadResult result = folder.load(example);
    for (const auto& mistake : result.mistakes) BOOST_TEST_MESSAGE(mistake.text());
    BOOST_REQUIRE(result.config);
    BOOST_TEST(result.config->notes.empty());
}

/// The paths of the table, from the JSON Schema.
void collect(const boost::json::object& schema, const std::string& path, std::set<std::string>& paths) {
    if (!path.empty()) paths.insert(path);
    if (const auto* properties = schema.if_contains("properties")) {
        BOOST_TEST(schema.at("additionalProperties").as_bool() == false);
        for (const auto& each : properties->as_object()) {
            collect(each.value().as_object(), (path.empty() ? "" : path + '.') + std::string(each.key()), paths);
        }
    } else if (const auto* by_name = schema.if_contains("additionalProperties")) {
        collect(by_name->as_object(), path + ".NAME", paths);
    }
    if (const auto* items = schema.if_contains("items"); items && items->as_object().contains("properties")) {
        collect(items->as_object(), path + "[]", paths);
        paths.erase(path + "[]");
    }
}

BOOST_AUTO_TEST_CASE(schema_and_page_have_every_key_of_the_table_and_no_other) {
    std::set<std::string> expected, found;
    const std::string page = config_reference_markdown();
    for (const Entry& entry : entries()) {
        expected.insert(entry.path);
        const bool listed = page.find("| `" + entry.path + "` |") != std::string::npos;
        BOOST_TEST_CONTEXT(entry.path) {
            BOOST_TEST((listed || (entry.kind == Kind::map && entry.path.ends_with(".NAME"))));
        }
    }
    collect(boost::json::parse(config_schema_json()).as_object(), "", found);
    BOOST_TEST(found == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(every_default_is_a_value_of_its_own_key) {
    for (const Entry& entry : entries()) {
        const bool single = !entry.fallback.starts_with('[');
        if (entry.fallback.empty() || !single) continue;
        BOOST_TEST_CONTEXT(entry.path) { BOOST_TEST(refusal(entry, entry.fallback) == ""); }
    }
}

BOOST_AUTO_TEST_CASE(a_near_word_is_suggested_and_a_far_one_is_not) {
    const std::vector<std::string_view> words{"listen", "limits", "log", "default_upstream"};
    BOOST_TEST(nearest("lisetn", words) == "listen");
    BOOST_TEST(nearest("Listen", words) == "listen");
    BOOST_TEST(nearest("limit", words) == "limits");
    BOOST_TEST(nearest("lgo", words) == "log");
    BOOST_TEST(nearest("default-upstream", words) == "default_upstream");
    BOOST_TEST(nearest("apple", words) == "");
    BOOST_TEST(nearest("x", words) == "");
    BOOST_TEST(nearest("", words) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace streamkeeper
