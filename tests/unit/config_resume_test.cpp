// The configuration of resumption: defaults, every word, overrides, what each preset knows, and back to YAML.
#include <boost/json.hpp>
#include <boost/test/unit_test.hpp>

#include "config/presets.hpp"
#include "config/resume.hpp"
#include "config_folder.hpp"

namespace streamkeeper {
namespace {

using configuration::format_capability;
using configuration::show_resume;
using test::Folder;

const std::string rest = "upstreams:\n  o: {preset: ollama}\n";

std::shared_ptr<const Config> loaded(const std::string& yaml) {
    const Folder folder;
    folder.write("key", "sk-abcdefghijkl1234");
    const LoadResult result = folder.load(yaml);
    for (const auto& mistake : result.mistakes) BOOST_TEST_MESSAGE(mistake.text());
    BOOST_REQUIRE(result.config);
    return result.config;
}

Resume resume_with(const std::string& inside) { return loaded(rest + "resume: {" + inside + "}\n")->resume; }

/// Of the model `m` of a file that says `inside` of its resumption.
ResumeOverrides overrides_with(const std::string& inside) {
    return loaded(rest + "models: {m: {resume: {" + inside + "}}}\n")->models.at("m").resume;
}

Capability capability_with(const std::string& inside) {
    return overrides_with("capability: {" + inside + "}").capability;
}

std::shared_ptr<const Upstream> preset(const std::string& name, const std::string& more = {}) {
    return loaded("upstreams: {o: {preset: " + name + ", keys: [{name: k, file: key}]" + more + "}}\n")->upstreams[0];
}

const std::string defaults =
    "resume:\n  mode: exact\n  attempts: 3\n  tool_calls: hold\n  transcript: 4MiB\n  probe: on_first_break\n"
    "  on_failure: auto\n";

BOOST_AUTO_TEST_SUITE(config_resume)

BOOST_AUTO_TEST_CASE(a_file_that_says_nothing_of_resumption_has_the_contracts_defaults) {
    const auto config = loaded(rest + "models: {m: {}}\n");
    BOOST_TEST((config->resume.mode == ResumeMode::exact && config->resume.attempts == 3));
    BOOST_TEST((config->resume.tool_calls == ToolCalls::hold && config->resume.transcript == 4u << 20));
    BOOST_TEST((config->resume.probe == Probe::on_first_break && config->resume.on_failure == OnFailure::automatic));
    BOOST_TEST((config->stream.assemble == Assemble::automatic));
    BOOST_TEST(show_resume(config->resume) == defaults);
    // The types' own defaults are the same: a test or a caller may build one without a file.
    BOOST_TEST(show_resume(Resume{}) == defaults);
    BOOST_TEST((Stream{}.assemble == Assemble::automatic));
    for (const ResumeOverrides& none : {config->upstreams[0]->resume, config->models.at("m").resume}) {
        BOOST_TEST(show_resume(none) == "resume: {}");
    }
}

BOOST_AUTO_TEST_CASE(every_word_of_resumption_arrives_as_what_it_means) {
    for (const auto& [word, mode] :
         {std::pair("off", ResumeMode::off), {"exact", ResumeMode::exact}, {"whole", ResumeMode::whole}}) {
        BOOST_TEST((resume_with(std::string("mode: ") + word).mode == mode), word);
        BOOST_TEST((overrides_with(std::string("mode: ") + word).mode == mode), word);
    }
    for (const auto& [word, calls] : {std::pair("hold", ToolCalls::hold), {"off", ToolCalls::stream}}) {
        BOOST_TEST((resume_with(std::string("tool_calls: ") + word).tool_calls == calls), word);
    }
    for (const auto& [word, probe] : {std::pair("on_first_break", Probe::on_first_break), {"never", Probe::never}}) {
        BOOST_TEST((resume_with(std::string("probe: ") + word).probe == probe), word);
    }
    for (const auto& [word, assemble] :
         {std::pair("off", Assemble::off), {"auto", Assemble::automatic}, {"always", Assemble::always}}) {
        BOOST_TEST((loaded(rest + "stream: {assemble: " + word + "}\n")->stream.assemble == assemble), word);
    }
    // YAML 1.1 reads a plain `off` as a boolean, and people quote it for that.
    BOOST_TEST((resume_with("mode: \"off\"").mode == ResumeMode::off));
}

BOOST_AUTO_TEST_CASE(every_word_of_a_capability_arrives_as_what_it_means) {
    for (const auto& [word, prefill] : {std::pair("none", Prefill::none),
                                        {"trailing", Prefill::trailing},
                                        {"prefix", Prefill::prefix},
                                        {"partial", Prefill::partial},
                                        {"continue_final_message", Prefill::continue_final_message}}) {
        BOOST_TEST((capability_with(std::string("prefill: ") + word).prefill == prefill), word);
    }
    for (const auto& [word, seam] :
         {std::pair("exact", Seam::exact), {"echo", Seam::echo}, {"unknown", Seam::unknown}}) {
        BOOST_TEST((capability_with(std::string("seam: ") + word).seam == seam), word);
    }
    for (const auto& [word, reason] :
         {std::pair("required", FinishReason::required), {"optional", FinishReason::optional}}) {
        BOOST_TEST((capability_with(std::string("finish_reason: ") + word).finish_reason == reason), word);
    }
    for (const auto& [word, yes] : {std::pair("true", true), {"false", false}}) {
        BOOST_TEST((capability_with(std::string("deterministic: ") + word).deterministic == yes), word);
        BOOST_TEST((capability_with(std::string("cancel_stops_billing: ") + word).cancel_stops_billing == yes), word);
    }
}

BOOST_AUTO_TEST_CASE(numbers_and_sizes_arrive_up_to_both_ends) {
    BOOST_TEST((resume_with("attempts: 0, transcript: 1KiB").attempts == 0));
    BOOST_TEST((resume_with("attempts: 100, transcript: 1GiB").attempts == 100));
    BOOST_TEST(resume_with("transcript: 1KiB").transcript == 1024u);
    BOOST_TEST(resume_with("transcript: 1GiB").transcript == 1u << 30);
    BOOST_TEST((overrides_with("attempts: 0").attempts == 0u));
    BOOST_TEST((overrides_with("transcript: 64KiB").transcript == 65536u));
}

BOOST_AUTO_TEST_CASE(a_map_in_part_keeps_the_other_defaults_and_an_override_in_part_says_nothing_else) {
    BOOST_TEST(show_resume(resume_with("attempts: 5")) ==
               "resume:\n  mode: exact\n  attempts: 5\n  tool_calls: hold\n  transcript: 4MiB\n"
               "  probe: on_first_break\n  on_failure: auto\n");
    BOOST_TEST(show_resume(overrides_with("probe: never")) == "resume: {probe: never}");
    BOOST_TEST(show_resume(overrides_with("capability: {seam: exact}")) == "resume: {capability: {seam: exact}}");
    BOOST_TEST(show_resume(overrides_with("capability: {}")) == "resume: {}");
    BOOST_TEST(show_resume(loaded(rest + "models:\n  m:\n    resume:\n")->models.at("m").resume) == "resume: {}");
    const auto stream = loaded(rest + "stream: {assemble: off}\n")->stream;
    BOOST_TEST((stream.commit_hold == Duration(5000) && stream.heartbeat == Duration(5000)));
}

BOOST_AUTO_TEST_CASE(overrides_of_resumption_win_over_their_base_and_leave_the_rest) {
    Resume base;
    base.attempts = 9;
    base.on_failure = OnFailure::error;
    base.configured.prefill = Prefill::trailing;
    base.configured.seam = Seam::exact;
    base.preset.deterministic = true;
    const auto over = [&](const std::string& inside) { return overrides_with(inside).over(base); };
    BOOST_TEST(show_resume(over("mode: off, transcript: 2KiB")) ==
               "resume:\n  mode: off\n  attempts: 9\n  tool_calls: hold\n  transcript: 2KiB\n"
               "  probe: on_first_break\n  on_failure: error\n");
    BOOST_TEST(show_resume(over("attempts: 0, tool_calls: off, probe: never, on_failure: auto")) ==
               "resume:\n  mode: exact\n  attempts: 0\n  tool_calls: off\n  transcript: 4MiB\n"
               "  probe: never\n  on_failure: auto\n");
    const Resume made = over("capability: {prefill: none, deterministic: false}");
    BOOST_TEST(format_capability(made.configured) == "{prefill: none, seam: exact, deterministic: false}");
    BOOST_TEST(format_capability(made.preset) == "{deterministic: true}");
}

BOOST_AUTO_TEST_CASE(a_capability_over_another_keeps_what_it_does_not_say) {
    const Capability all = capability_with(
        "prefill: prefix, seam: echo, deterministic: true, finish_reason: optional, cancel_stops_billing: false");
    const std::string text =
        "{prefill: prefix, seam: echo, deterministic: true, finish_reason: optional, cancel_stops_billing: false}";
    BOOST_TEST(format_capability(Capability{}.over(all)) == text);
    BOOST_TEST(format_capability(all.over(Capability{})) == text);
    const Capability other = capability_with(
        "prefill: none, seam: unknown, deterministic: false, finish_reason: required, cancel_stops_billing: true");
    BOOST_TEST(format_capability(all.over(other)) == text);
    BOOST_TEST(format_capability(capability_with("seam: exact").over(all)) ==
               "{prefill: prefix, seam: exact, deterministic: true, finish_reason: optional, "
               "cancel_stops_billing: false}");
}

BOOST_AUTO_TEST_CASE(each_preset_knows_what_its_vendor_can_do_and_no_more) {
    for (const auto& [name, known] : {std::pair("ollama", "{prefill: trailing, seam: exact}"),
                                      {"anthropic", "{prefill: trailing, seam: exact}"},
                                      {"deepseek", "{prefill: prefix, seam: exact}"},
                                      {"mistral", "{prefill: prefix, seam: echo}"},
                                      {"moonshot", "{prefill: partial, seam: exact}"},
                                      {"openai", "{prefill: none}"},
                                      {"apertis", "{}"},
                                      {"t-systems", "{}"},
                                      {"llmai", "{}"},
                                      {"openrouter", "{}"}}) {
        const auto upstream = preset(name);
        BOOST_TEST(format_capability(upstream->preset_capability) == known, name);
        // It is not in the file: what a break teaches wins over it.
        BOOST_TEST(show_resume(upstream->resume) == "resume: {}", name);
    }
    BOOST_TEST(format_capability(preset("generic", ", base_url: \"https://x.example/v1\"")->preset_capability) == "{}");
}

BOOST_AUTO_TEST_CASE(a_presets_capability_is_not_said_of_another_path_at_the_same_host) {
    const auto known = [](const std::string& name, const std::string& url) {
        return format_capability(preset(name, ", cleartext: true, base_url: \"" + url + "\"")->preset_capability);
    };
    BOOST_TEST(known("deepseek", "https://api.deepseek.com/v1") == "{}");
    BOOST_TEST(known("deepseek", "https://api.deepseek.com/beta/") == "{prefill: prefix, seam: exact}");
    // A tunnel or a gateway in front of the vendor.
    BOOST_TEST(known("deepseek", "http://127.0.0.1:9/v1") == "{prefill: prefix, seam: exact}");
    BOOST_TEST(known("ollama", "http://127.0.0.1:9/ollama/v1") == "{prefill: trailing, seam: exact}");
    BOOST_TEST(known("ollama", "http://10.0.0.1:11434/v1") == "{prefill: trailing, seam: exact}");
}

BOOST_AUTO_TEST_CASE(a_generic_upstream_at_a_vendors_host_brings_nothing_but_the_quick_start_names_its_preset) {
    const std::string url = ", base_url: \"https://api.mistral.ai/v1\"";
    BOOST_TEST(format_capability(preset("generic", url)->preset_capability) == "{}");
    const Folder folder;
    folder.write("key", "sk-abcdefghijkl1234");
    const auto bare = quick_config({"https://api.deepseek.com", folder.at("key"), {}}).config;
    BOOST_REQUIRE(bare);
    BOOST_TEST(bare->upstreams[0]->base_url.text == "https://api.deepseek.com/beta");
    BOOST_TEST(format_capability(bare->upstreams[0]->preset_capability) == "{prefill: prefix, seam: exact}");
}

BOOST_AUTO_TEST_CASE(everything_about_resumption_is_shown_and_read_back) {
    const auto first = loaded(R"(
upstreams:
  o: {preset: ollama, resume: {mode: off, tool_calls: off, capability: {prefill: partial, cancel_stops_billing: false}}}
models: {m: {resume: {attempts: 0, transcript: 2KiB, probe: never, on_failure: abort, capability: {seam: echo, deterministic: true, finish_reason: optional}}}}
resume: {mode: whole, attempts: 9, tool_calls: off, transcript: 5000, probe: never, on_failure: error}
stream: {assemble: always}
)");
    const std::string shown = show_config(*first);
    BOOST_TEST(shown.find("    resume: {mode: off, tool_calls: off, capability: {prefill: partial, "
                          "cancel_stops_billing: false}}  # the preset knows: {prefill: trailing, seam: exact}\n") !=
               shown.npos);
    BOOST_TEST(shown.find("    resume: {attempts: 0, transcript: 2KiB, probe: never, on_failure: abort, capability: "
                          "{seam: echo, deterministic: true, finish_reason: optional}}\n") != shown.npos);
    BOOST_TEST(shown.find("\nresume:\n  mode: whole\n  attempts: 9\n  tool_calls: off\n  transcript: 5000\n"
                          "  probe: never\n  on_failure: error\n") != shown.npos);
    BOOST_TEST(shown.find("\n  assemble: always\n") != shown.npos);
    const auto second = loaded(shown);
    BOOST_TEST(show_config(*second) == shown);
    BOOST_TEST((second->resume.mode == ResumeMode::whole && second->upstreams[0]->resume.mode == ResumeMode::off));
    BOOST_TEST((second->models.at("m").resume.capability.seam == Seam::echo));
}

BOOST_AUTO_TEST_CASE(the_json_schema_has_a_capability_below_upstreams_and_models_alone) {
    const auto schema = boost::json::parse(config_schema_json());
    const auto has = [&](const std::string& pointer) {
        boost::system::error_code error;
        return schema.find_pointer(pointer, error) != nullptr;
    };
    const std::string capability = "/properties/resume/properties/capability";
    BOOST_TEST(has("/properties/upstreams/additionalProperties" + capability + "/properties/seam/enum"));
    BOOST_TEST(has("/properties/models/additionalProperties" + capability + "/properties/seam/enum"));
    BOOST_TEST(has("/properties/resume/properties/mode/default"));
    BOOST_TEST(!has(capability));
    // What is inherited has no default of its own; an editor would write it down.
    BOOST_TEST(!has("/properties/models/additionalProperties/properties/resume/properties/mode/default"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace streamkeeper
