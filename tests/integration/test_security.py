"""Who may ask what, here: hosts, origins, tokens, tunnels, our own pages, and what crosses to the upstream and back."""
import os
import unittest

from harness import Connection, Daemon, Origin, answering, chat, config_for, http

TOKEN, OTHER = "local-token-0123456789", "other-token-9876543210"
CLIENTS = "clients: [{name: cline, token_file: token}, {name: roo, token_file: other}]\n"
TUNNEL = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "x-forwarded-anything", "X-Real-IP", "Via",
          "CF-Connecting-IP", "cf-ray"]
AUTH = [("Authorization", "Bearer " + TOKEN)]


def good(peer):
    peer.answer(body=b'{"object":"chat.completion","choices":[]}')


class Case(unittest.TestCase):
    extra, listen = "", None

    @classmethod
    def setUpClass(cls):
        cls.origin = Origin(answering(good))
        text = config_for(cls.origin.base_url, extra=cls.extra)
        if cls.listen:
            text = text.replace('["127.0.0.1:0"]', cls.listen)
        cls.daemon = Daemon(text, files={"token": TOKEN, "other": OTHER})

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.origin.stop()

    def get(self, target="/v1/files", headers=(), **more):
        return http(self.daemon.address, "GET", target, headers, **more)

    def refused(self, answer, status, code):
        self.assertEqual((answer.status, answer.json["error"]["code"]), (status, code), answer.text)
        return answer.json["error"]["message"]

    def passes(self, answer):
        self.assertEqual(answer.status, 200, answer.text)
        return answer


class WithoutClients(Case):
    extra = 'allowed_origins: ["https://App.example", "http://localhost:3000"]\n'

    def test_names_of_this_machine_are_hosts_whatever_their_port_and_case(self):
        for host in ("localhost", "LocalHost", "127.0.0.1", "[::1]", "localhost:8817", "127.0.0.1:1", "[::1]:65535", "localhost:"):
            self.passes(self.get(host=host))

    def test_any_other_host_is_told_of_allowed_hosts(self):
        for host in ("evil.example", "127.0.0.2", "[::2]", "localhost.evil.example", "127.0.0.1.nip.io", "0.0.0.0", "localhost."):
            self.assertIn("allowed_hosts", self.refused(self.get(host=host), 421, "host_not_allowed"))
            self.refused(self.get("/metrics", host=host), 421, "host_not_allowed")
            self.refused(self.get("/healthz", host=host), 421, "host_not_allowed")

    def test_a_web_origin_must_be_allowed(self):
        for origin in ("https://evil.example", "http://evil.example", "null", "NULL", "HTTPS://evil.example", "http://localhost",
                       "http://localhost:3001", "https://app.example.evil.example", "http://app.example", "http://127.0.0.1:8817"):
            answer = self.get(headers=[("Origin", origin)])
            self.refused(answer, 403, "origin_not_allowed")
            self.assertIsNone(answer.header("access-control-allow-origin"))

    def test_an_allowed_origin_passes_and_may_read_the_answer(self):
        for origin in ("https://app.example", "https://App.example", "http://localhost:3000"):
            answer = self.passes(self.get(headers=[("Origin", origin)]))
            self.assertEqual(answer.header("access-control-allow-origin"), origin)
            self.assertEqual(answer.header("vary"), "Origin")

    def test_origins_that_no_web_page_can_have_pass(self):
        for origin in ("vscode-webview://0a1b2c", "app://obsidian.md", "chrome-extension://abc", "vscode-file://vscode-app"):
            self.passes(self.get(headers=[("Origin", origin)]))
            self.passes(self.get(headers=[("Origin", origin), ("Sec-Fetch-Site", "cross-site")]))

    def test_a_page_of_another_site_is_refused_without_an_origin_too(self):
        for site in ("cross-site", "same-site", "Cross-Site"):
            self.refused(self.get(headers=[("Sec-Fetch-Site", site)]), 403, "origin_not_allowed")
            self.passes(self.get(headers=[("Sec-Fetch-Site", site), ("Origin", "https://app.example")]))
        for site in ("same-origin", "none"):
            self.passes(self.get(headers=[("Sec-Fetch-Site", site)]))

    def test_our_own_pages_and_probes_are_not_for_other_origins_either(self):
        for target in ("/metrics", "/-/status", "/healthz", "/readyz"):
            self.refused(self.get(target, [("Origin", "https://evil.example")]), 403, "origin_not_allowed")
            self.refused(self.get(target, [("Sec-Fetch-Site", "cross-site")]), 403, "origin_not_allowed")

    def test_a_request_through_a_tunnel_needs_a_token_even_if_none_is_configured(self):
        before = self.origin.connections
        for name in TUNNEL:
            answer = self.get(headers=[(name, "203.0.113.7")])
            self.assertIn("tunnel", self.refused(answer, 401, "streamkeeper_token"))
            self.refused(self.get(headers=[(name, ""), ("Authorization", "Bearer anything")]), 401, "streamkeeper_token")
        self.assertEqual(self.origin.connections, before)

    def test_probes_never_need_a_token_and_answer_through_tunnels(self):
        for target in ("/healthz", "/readyz"):
            self.passes(self.get(target))
            self.passes(self.get(target, [("X-Forwarded-For", "203.0.113.7")]))

    def test_our_own_pages_answer_no_tunnel(self):
        for target in ("/", "/metrics", "/-/status", "/-/events", "/-/nothing"):
            for name in TUNNEL:
                self.refused(self.get(target, [(name, "203.0.113.7")]), 404, "not_found")

    def test_our_own_pages_are_read_only_and_guarded(self):
        for target in ("/metrics", "/-/status"):
            answer = self.passes(self.get(target))
            self.assertEqual(answer.header("x-content-type-options"), "nosniff")
            self.assertEqual(answer.header("cross-origin-resource-policy"), "same-origin")
            self.assertIn("default-src 'none'", answer.header("content-security-policy"))
            self.assertIn("frame-ancestors 'none'", answer.header("content-security-policy"))
            self.assertEqual(http(self.daemon.address, "HEAD", target).status, 200)
            for method in ("POST", "PUT", "DELETE", "PATCH"):
                self.refused(http(self.daemon.address, method, target), 405, "method_not_allowed")

    def test_a_preflight_of_an_allowed_origin_is_answered_here(self):
        before = self.origin.connections
        answer = http(self.daemon.address, "OPTIONS", "/v1/chat/completions",
                      [("Origin", "https://app.example"), ("Access-Control-Request-Method", "POST"),
                       ("Access-Control-Request-Headers", "authorization,content-type,x-stainless-os")])
        self.assertEqual(answer.status, 204)
        self.assertEqual(answer.header("access-control-allow-origin"), "https://app.example")
        self.assertEqual(answer.header("access-control-allow-methods"), "GET, POST")
        self.assertEqual(answer.header("access-control-allow-headers"), "authorization,content-type,x-stainless-os")
        self.assertEqual(answer.header("vary"), "Origin")
        self.assertEqual(self.origin.connections, before)

    def test_a_preflight_of_another_origin_is_refused(self):
        for origin in ("https://evil.example", "null"):
            answer = http(self.daemon.address, "OPTIONS", "/v1/chat/completions",
                          [("Origin", origin), ("Access-Control-Request-Method", "POST")])
            self.refused(answer, 403, "origin_not_allowed")
            self.assertIsNone(answer.header("access-control-allow-origin"))

    def test_every_method_of_the_list_passes_and_no_other(self):
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            self.assertEqual(http(self.daemon.address, method, "/v1/files").status, 200, method)
        for method in ("TRACE", "CONNECT", "PURGE", "get", "PROPFIND"):
            answer = http(self.daemon.address, method, "/v1/files")
            self.refused(answer, 405, "method_not_allowed")
            self.assertIn("GET", answer.header("allow"))


class WithClients(Case):
    extra = CLIENTS + 'allowed_hosts: [Box.example]\nallowed_origins: ["https://app.example"]\n'
    listen = '["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "unix:{dir}/http.sock"]'

    def other_port(self, address):
        return int(self.daemon.wait_line(rf"listening on http://{address}:(\d+)").group(1))

    def test_the_token_is_taken_in_three_spellings(self):
        for token in (TOKEN, OTHER):
            for header in (("Authorization", "Bearer " + token), ("authorization", "bearer  " + token), ("x-api-key", token), ("api-key", token)):
                self.passes(self.get(headers=[header]))

    def test_a_missing_or_wrong_token_is_refused(self):
        wrong = ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), TOKEN[1:], "sk-of-a-vendor", TOKEN + " " + OTHER, TOKEN + "," + OTHER]
        headers = [[("Authorization", "Bearer " + token)] for token in wrong] + [[("x-api-key", token)] for token in wrong] + \
            [[("api-key", token)] for token in wrong] + [[("Authorization", "Basic " + TOKEN)], [("Authorization", TOKEN)],
                                                         [("x-goog-api-key", TOKEN)], [("Cookie", "token=" + TOKEN)], []]
        before = self.origin.connections
        for fields in headers:
            self.refused(self.get(headers=fields), 401, "streamkeeper_token")
            self.refused(self.get(f"/v1/models?key={TOKEN}", fields), 401, "streamkeeper_token")
        self.assertEqual(self.origin.connections, before)

    def test_a_refusal_on_messages_has_anthropics_code_too(self):
        answer = http(self.daemon.address, "POST", "/v1/messages", body=chat())
        self.refused(answer, 401, "streamkeeper_token")

    def test_probes_and_our_own_pages_need_no_token(self):
        for target in ("/healthz", "/readyz", "/metrics", "/-/status"):
            self.passes(self.get(target))

    def test_a_preflight_needs_no_token(self):
        answer = http(self.daemon.address, "OPTIONS", "/v1/chat/completions",
                      [("Origin", "https://app.example"), ("Access-Control-Request-Method", "POST")])
        self.assertEqual(answer.status, 204)

    def test_a_request_through_a_tunnel_passes_with_a_token(self):
        for name in TUNNEL:
            self.passes(self.get(headers=AUTH + [(name, "203.0.113.7")]))

    def test_an_allowed_host_passes_whatever_its_case_and_port(self):
        for host in ("box.example", "BOX.example", "box.example:443"):
            self.passes(self.get(headers=AUTH, host=host))
        self.refused(self.get(headers=AUTH, host="x.box.example"), 421, "host_not_allowed")

    def test_our_own_pages_answer_only_to_a_loopback_host(self):
        for target in ("/", "/metrics", "/-/status"):
            self.refused(self.get(target, host="box.example"), 404, "not_found")
        self.passes(self.get("/healthz", host="box.example"))

    def test_our_own_pages_answer_only_on_loopback_listeners(self):
        address = ("127.0.0.1", self.other_port(r"0\.0\.0\.0"))
        for target in ("/", "/metrics", "/-/status"):
            self.refused(http(address, "GET", target), 404, "not_found")
        self.passes(http(address, "GET", "/healthz"))
        self.passes(http(address, "GET", "/v1/files", AUTH))
        self.refused(http(address, "GET", "/v1/files"), 401, "streamkeeper_token")

    def test_an_ipv6_listener_is_the_same(self):
        address = ("::1", self.other_port(r"\[::1\]"))
        self.passes(http(address, "GET", "/v1/files", AUTH, host=f"[::1]:{address[1]}"))
        self.passes(http(address, "GET", "/metrics", host="[::1]"))
        self.refused(http(address, "GET", "/v1/files", host="[::1]"), 401, "streamkeeper_token")
        self.refused(http(address, "GET", "/v1/files", AUTH, host="[2001:db8::1]"), 421, "host_not_allowed")

    def test_a_unix_socket_is_the_same(self):
        address = os.path.join(self.daemon.folder, "http.sock")
        self.passes(http(address, "GET", "/v1/files", AUTH, host="localhost"))
        self.passes(http(address, "GET", "/metrics", host="localhost"))
        self.refused(http(address, "GET", "/v1/files", host="localhost"), 401, "streamkeeper_token")
        self.refused(http(address, "GET", "/metrics", host="evil.example"), 421, "host_not_allowed")
        self.refused(http(address, "GET", "/v1/files", [("Origin", "https://evil.example")], host="localhost"), 403, "origin_not_allowed")

    def test_refusals_come_in_the_documented_order(self):
        """Everything is wrong at once; what is found first is mended, and the next comes to light."""
        fields = {"Transfer-Encoding": "gzip", "Host": "evil.example", "X-Forwarded-For": "1.2.3.4", "Origin": "https://evil.example"}
        line = "BREW /-/../v1/.. HTTP/1.1"

        def status():
            with Connection(self.daemon.address) as connection:
                connection.send(line + "\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n")
                return connection.read_response().status
        self.assertEqual(status(), 400)  # framing
        del fields["Transfer-Encoding"]
        self.assertEqual(status(), 421)  # Host
        fields["Host"] = "localhost"
        self.assertEqual(status(), 404)  # our own pages are not for tunnels
        line = "BREW /v1/../x HTTP/1.1"
        self.assertEqual(status(), 403)  # Origin
        del fields["Origin"]
        fields["Sec-Fetch-Site"] = "cross-site"
        self.assertEqual(status(), 403)
        del fields["Sec-Fetch-Site"]
        self.assertEqual(status(), 401)  # token
        fields["x-api-key"] = TOKEN
        self.assertEqual(status(), 405)  # method
        line = "GET /v1/../x HTTP/1.1"
        self.assertEqual(status(), 400)  # path
        line = "GET /nothing HTTP/1.1"
        self.assertEqual(status(), 404)
        line = "GET /v1/files HTTP/1.1"
        self.assertEqual(status(), 200)

    DROPPED = ["Authorization: Bearer " + TOKEN, "Proxy-Authorization: Basic eA==", "api-key: " + TOKEN, "x-api-key: " + TOKEN,
               "x-goog-api-key: AIza", "OpenAI-Organization: org", "OpenAI-Project: proj", "Cookie: a=b", "Origin: https://app.example",
               "Referer: https://app.example/x", "Forwarded: for=1.2.3.4", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https",
               "Sec-Fetch-Site: cross-site", "Sec-CH-UA: x", "Sec-WebSocket-Key: eA==", "x-streamkeeper-upstream: one",
               "x-streamkeeper-anything: x", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: trailers", "Trailer: X-T",
               "Upgrade: h2c", "HTTP2-Settings: AAMA", "Connection: X-Named, keep-alive, x-other", "X-Named: 1", "X-Other: 2"]
    KEPT = ["User-Agent: tool/1.0", "X-Title: caf\xe9", "anthropic-version: 2023-06-01", "OpenAI-Beta: x", "Idempotency-Key: i1",
            "X-Stainless-Retry-Count: 0", "Accept: text/event-stream", "X-Request-Id: mine", "Security-Level: 5", "X-Forward: kept"]

    def upstream_head(self, method, target, extra=()):
        headers = [tuple(line.split(": ", 1)) for line in self.DROPPED + self.KEPT] + list(extra)
        before = len(self.origin.seen)
        self.passes(http(self.daemon.address, method, target, headers, body=chat() if method == "POST" else b""))
        return self.origin.wait_seen(before + 1)[-1][0].decode("latin-1")

    def test_client_credentials_and_hop_by_hop_fields_never_go_upstream(self):
        for method, target in (("POST", "/v1/chat/completions"), ("POST", "/v1/moderations"), ("GET", "/v1/files")):
            head = self.upstream_head(method, target)
            self.assertNotIn(TOKEN, head)
            lines = head.lower().split("\r\n")
            names = [line.split(":")[0] for line in lines[1:] if line]
            for line in self.DROPPED:
                name = line.split(":")[0].lower()
                if name != "authorization":
                    self.assertNotIn(name, names)
            self.assertEqual(names.count("authorization"), 1)
            self.assertIn("Authorization: Bearer sk-mock-0123456789\r\n", head)
            self.assertEqual(names.count("host"), 1)
            self.assertIn(f"host: 127.0.0.1:{self.origin.port}", lines)
            for line in self.KEPT:
                self.assertIn(f"\r\n{line}\r\n", head)

    def test_encodings_are_the_clients_own_on_pass_through_and_identity_on_policy_paths(self):
        for target, encoding in (("/v1/chat/completions", "identity"), ("/v1/moderations", "gzip, br")):
            head = self.upstream_head("POST", target, [("Accept-Encoding", "gzip, br")])
            self.assertEqual(head.lower().count("accept-encoding:"), 1)
            self.assertIn(f"\r\nAccept-Encoding: {encoding}\r\n", head)

    def test_credentials_in_the_query_never_go_upstream(self):
        for asked, sent in ((f"?key={TOKEN}", ""), (f"?api_key={TOKEN}&a=1", "?a=1"), (f"?a=1&api-key={TOKEN}&b=%20&c", "?a=1&b=%20&c"),
                            (f"?KEY={TOKEN}", ""), (f"?ke%79={TOKEN}", ""), (f"?%61pi%5Fkey={TOKEN}&x", "?x"), ("?a=1&&b=2", "?a=1&b=2"),
                            ("?api-version=2024-06-01", "?api-version=2024-06-01"), ("?keys=1&monkey=2", "?keys=1&monkey=2"), ("?", "")):
            head = self.upstream_head("GET", "/v1/files" + asked)
            self.assertTrue(head.startswith(f"GET /v1/files{sent} HTTP/1.1\r\n"), head)


class Paths(Case):
    @classmethod
    def setUpClass(cls):
        cls.origin, cls.second = Origin(answering(good)), Origin(answering(good))
        second = cls.second.base_url.replace("/v1", "/api/v2")
        cls.daemon = Daemon(config_for(cls.origin.base_url, second))

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.origin.stop()
        cls.second.stop()

    def sent_to(self, origin, method, target, headers=()):
        before = len(origin.seen)
        self.passes(http(self.daemon.address, method, target, headers, body=chat() if method == "POST" else b""))
        return origin.wait_seen(before + 1)[-1][0].split(b" ")[1].decode()

    def test_paths_are_forgiving_where_tools_really_differ(self):
        for asked, sent in (("/v1/chat/completions", "/v1/chat/completions"), ("/chat/completions", "/v1/chat/completions"),
                            ("/v1/v1/messages", "/v1/messages"), ("//v1//chat/completions", "/v1/chat/completions"),
                            ("/v1/chat/completions/", "/v1/chat/completions"), ("/openai/v1/responses", "/v1/responses"),
                            ("/v1/embeddings?x=1", "/v1/embeddings?x=1"), ("/messages/", "/v1/messages"),
                            ("/v1/messages?beta=true", "/v1/messages?beta=true"), ("/v1/completions", "/v1/completions")):
            self.assertEqual(self.sent_to(self.origin, "POST", asked), sent)
        for asked, sent in (("/v1/files/file-1/content", "/v1/files/file-1/content"), ("/files", "/v1/files"),
                            ("/v1/vendor/thing", "/v1/vendor/thing"), ("/v1/files/a%2Fb", "/v1/files/a%2Fb")):
            self.assertEqual(self.sent_to(self.origin, "GET", asked), sent)

    def test_the_upstream_is_chosen_by_name_and_its_own_base_path_kept(self):
        for asked in ("/u/two/v1/chat/completions", "/u/two/chat/completions", "/u/two/v1/chat/completions/", "/u/tw%6f/v1/chat/completions"):
            self.assertEqual(self.sent_to(self.second, "POST", asked), "/api/v2/chat/completions")
        self.assertEqual(self.sent_to(self.second, "GET", "/u/two/v1/files"), "/api/v2/files")
        self.assertEqual(self.sent_to(self.second, "GET", "/v1/files", [("x-streamkeeper-upstream", "two")]), "/api/v2/files")
        self.assertEqual(self.sent_to(self.second, "POST", "/u/one/v1/messages", [("x-streamkeeper-upstream", "two")]), "/api/v2/messages")

    def test_a_path_that_is_no_api_is_404_and_carries_no_key_anywhere(self):
        before = self.origin.connections
        for target in ("/favicon.ico", "/robots.txt", "/index.html", "/admin", "/v2/chat/completions", "/u", "/u/one", "/v1", "/v1/",
                       "/wp-login.php", "/.well-known/openid-configuration"):
            self.refused(self.get(target), 404, "not_found")
        self.assertEqual(self.origin.connections, before)

    def test_an_unknown_upstream_is_404(self):
        for target, headers in (("/u/three/v1/files", []), ("/u/ONE/v1/files", []), ("/v1/files", [("x-streamkeeper-upstream", "three")])):
            self.refused(self.get(target, headers), 404, "unknown_upstream")
            self.refused(http(self.daemon.address, "POST", target.replace("files", "chat/completions"), headers, chat()), 404, "unknown_upstream")

    UPGRADE = [("Connection", "keep-alive, Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
               ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Protocol", "realtime"), ("Sec-Fetch-Mode", "websocket")]

    def test_a_websocket_on_responses_is_told_to_use_http(self):
        before = self.origin.connections
        for target in ("/v1/responses", "/responses", "/v1/responses/", "/u/one/v1/responses", "/v1/responses?x=1"):
            answer = self.get(target, self.UPGRADE)
            self.assertEqual(answer.status, 426)
            self.assertEqual(answer.header("upgrade"), "HTTP/1.1")
            self.assertIn("upgrade", ", ".join(v for n, v in answer.headers if n.lower() == "connection").lower())
        self.assertEqual(self.origin.connections, before)

    def test_a_websocket_elsewhere_keeps_its_own_fields_and_no_others(self):
        self.get("/v1/realtime?model=m", self.UPGRADE)
        head = self.origin.seen[-1][0].decode()
        for line in ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                     "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: realtime"):
            self.assertEqual(head.count(f"\r\n{line}\r\n"), 1, head)
        self.assertNotIn("Sec-Fetch-Mode", head)


class MetricsElsewhere(Case):
    extra = CLIENTS + 'metrics: {listen: "127.0.0.1:0"}\nallowed_hosts: [box.example]\n'

    def test_metrics_on_their_own_listener_are_alone_there(self):
        address = ("127.0.0.1", int(self.daemon.wait_line(r"listening on http://127\.0\.0\.1:(\d+) \(metrics\)").group(1)))
        self.passes(http(address, "GET", "/metrics"))
        for target in ("/", "/-/status", "/healthz", "/v1/models", "/v1/files", "/nothing"):
            self.refused(http(address, "GET", target, AUTH), 404, "not_found")
        self.refused(http(address, "GET", "/metrics", host="evil.example"), 421, "host_not_allowed")
        self.refused(http(address, "GET", "/metrics", host="box.example"), 404, "not_found")
        self.refused(http(address, "GET", "/metrics", [("Origin", "https://evil.example")]), 403, "origin_not_allowed")
        self.refused(http(address, "GET", "/metrics", [("Via", "x")]), 404, "not_found")
        self.refused(self.get("/metrics"), 404, "not_found")
        self.passes(self.get("/-/status"))


class Start(unittest.TestCase):
    def refused_start(self, text, word, files=None):
        daemon = Daemon(text, files=files, wait=False)
        self.addCleanup(daemon.stop)
        self.assertEqual(daemon.wait(), 1)
        self.assertRegex(daemon.output, r"streamkeeper\.yaml:\d+:\d+: .*" + word)
        self.assertNotIn("listening", daemon.output)

    def test_a_token_is_mandatory_beyond_this_machine(self):
        base = config_for("http://127.0.0.1:9/v1")
        for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
            self.refused_start(base.replace("127.0.0.1:0", listen), "clients")
        self.refused_start(base + "allowed_hosts: [box.example]\n", "clients")


if __name__ == "__main__":
    unittest.main(verbosity=2)
