// Verbs to functions.
#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/hint.hpp"
#include "cli/mock_verb.hpp"
#include "cli/verbs.hpp"

int main(int argc, char** argv) {
    using namespace streamkeeper;
    CLI::App app{
        "streamkeeper: between your coding tools and a flaky LLM vendor, one healthy API on http://127.0.0.1:8817/v1",
        "streamkeeper"};
    const std::string version = "streamkeeper " STREAMKEEPER_VERSION;
    app.set_version_flag("--version", version);
    app.require_subcommand(1);
    std::string config, key_name, response, now;
    QuickStart quick;
    MockFlags vendor;
    bool schema = false, reference = false, stay = false, as_json = false;

    CLI::App* const serve = app.add_subcommand("serve", "the daemon, in the foreground");
    CLI::Option* const file = serve->add_option("--config", config, "configuration file (YAML)");
    CLI::Option* const url = serve->add_option("--upstream", quick.base_url,
                                               "base URL of the vendor, instead of a file: https://api.apertis.ai/v1");
    serve->add_option("--key-file", quick.key_file, "file with the vendor's API key, readable by you alone")
        ->needs(url);
    serve->add_option("--listen", quick.listen, "ADDRESS:PORT to listen on, 127.0.0.1:8817 by default")->needs(url);
    url->excludes(file);

    CLI::App* const check =
        app.add_subcommand("check", "validate the configuration and print the effective one, secrets masked");
    check->add_option("--config", config, "configuration file (YAML)");
    check->add_flag("--schema", schema, "print the JSON Schema of the configuration instead");
    check->add_flag("--reference", reference, "print docs/configuration.md instead");

    CLI::App* const keys = app.add_subcommand("key", "API keys");
    keys->require_subcommand(1);
    CLI::App* const set =
        keys->add_subcommand("set", "read a key without echo, clean it, store it readable by you alone");
    set->add_option("name", key_name, "UPSTREAM/NAME, for example apertis/payg")->required();
    set->add_option("--config", config, "configuration file (YAML)");

    CLI::App* const demo = app.add_subcommand("demo", "the whole product with no key and no internet");
    demo->add_flag("--stay", stay, "keep it up afterwards, until Ctrl-C");

    CLI::App* const mock = app.add_subcommand("mock", "the mock upstream alone, to test your own tools against");
    mock->add_option("--listen", vendor.listen, "ADDRESS:PORT, 127.0.0.1 and a free port by default");
    mock->add_option("--key", vendor.keys, "an API key it takes; may be repeated")->allow_extra_args(false);
    mock->add_option("--script", vendor.script, "YAML or JSON file with faults, limits, keys and models");
    mock->add_option("--limit", vendor.limits, "refuse what is more, like '1500/3m per ip'; may be repeated")
        ->allow_extra_args(false);
    mock->add_option("--record", vendor.record, "file that gets one JSON line a request, credentials included");
    mock->add_flag("--record-tokens", vendor.record_tokens,
                   "a second line behind each answer: when each token went out");
    mock->add_option("--certificate", vendor.certificate, "PEM file: serve TLS");
    mock->add_option("--certificate-key", vendor.certificate_key, "PEM file with its private key");

    mock->footer(
        "A model's name says what goes wrong: mock-1+503+x2 fails twice, mock-1+429+retry_after=2+x1 refuses once,\n"
        "mock-1+text=prose+close=7900+x1 breaks off behind 7,900 bytes once. src/mock/README.md lists the words.");

    CLI::App* const explain = app.add_subcommand(
        "explain", "read one raw HTTP response and say what streamkeeper would do about it, and why");
    explain->add_flag("--json", as_json, "print one line: class, reason, wait_s, hint");
    explain->add_option("--now", now, "seconds since 1970 to take for the present, for waits until a moment");
    explain->add_option("FILE", response, "the response as `curl -i` prints it; '-' or none: standard input");

    for (CLI::App* const verb : {serve, check, keys, set, demo, mock, explain})
        verb->set_version_flag("--version", version);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const std::string problem = error.get_exit_code() == 0 ? std::string() : unknown_word(app, argc, argv);
        if (problem.empty()) return app.exit(error) == 0 ? 0 : 2;  // help and version are no errors
        std::cerr << "streamkeeper: " << problem << "\nRun with --help for more information.\n";
        return 2;
    }
    if (*serve) return run_serve(config, quick);
    if (*check) return run_check(config, schema, reference);
    if (*set) return run_key_set(key_name, config);
    if (*demo) return run_demo(stay);
    if (*explain) return run_explain(response, as_json, now);
    return run_mock(vendor);
}
