"""Ambiguous and hostile requests: each is refused with the documented status, nothing of it reaches the upstream, and a
connection whose framing can no longer be trusted is closed.

Behind every refused head a second request is sent in the same breath: were the two ends to disagree about where the first
one ends, it would be answered or forwarded.
"""
import contextlib
import json
import unittest

from harness import Connection, Daemon, Origin, chat, config_for, request_bytes

BODY = json.dumps(chat()).encode()
SMUGGLED = b"GET /v1/files/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def head(*lines, start="POST /v1/chat/completions HTTP/1.1", host="Host: 127.0.0.1"):
    """A head of these lines; a line is text (latin-1) without its line end."""
    return "\r\n".join([start, *([host] if host else []), *lines, "", ""]).encode("latin-1")


def get(*lines, target="/v1/files", **more):
    return head(*lines, start=f"GET {target} HTTP/1.1", **more)


LENGTH = f"Content-Length: {len(BODY)}"


def chunked(body):
    return head("Transfer-Encoding: chunked") + body


# name of the test, status, bytes. The connection is closed after each, and nothing of it leaves.
FRAMING = [
    # Two lengths
    ("content_length_before_chunked", 400, head("Content-Length: 6", "Transfer-Encoding: chunked") + b"0\r\n\r\nG"),
    ("chunked_before_content_length", 400, head("Transfer-Encoding: chunked", "Content-Length: 4") + b"5c\r\n"),
    ("chunked_with_content_length_zero", 400, head("Transfer-Encoding: chunked", "Content-Length: 0") + b"0\r\n\r\n"),
    ("two_different_content_lengths", 400, head("Content-Length: 0", LENGTH) + BODY),
    ("two_equal_content_lengths", 400, head(LENGTH, LENGTH) + BODY),
    ("a_list_of_content_lengths", 400, head("Content-Length: 5, 5") + b"hello"),
    ("a_negative_content_length", 400, head("Content-Length: -1")),
    ("a_content_length_with_a_plus", 400, head("Content-Length: +5") + b"hello"),
    ("a_hexadecimal_content_length", 400, head("Content-Length: 0x5") + b"hello"),
    ("a_content_length_with_letters", 400, head("Content-Length: 5a") + b"hello"),
    ("a_content_length_with_a_space_inside", 400, head("Content-Length: 1 0") + b"helloworld"),
    ("an_empty_content_length", 400, head("Content-Length:")),
    ("a_fraction_as_content_length", 400, head("Content-Length: 5.0") + b"hello"),
    ("a_content_length_beyond_64_bits", 400, head("Content-Length: 18446744073709551621") + b"hello"),
    ("a_quoted_content_length", 400, head('Content-Length: "5"') + b"hello"),
    ("a_content_length_in_digits_of_another_script", 400, head("Content-Length: \xb2\xb9") + b"hello"),
    # Transfer codings
    ("chunked_twice_in_one_field", 400, head("Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n"),
    ("chunked_twice_in_two_fields", 400, head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    ("chunked_after_gzip", 400, head("Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n"),
    ("chunked_before_identity", 400, head("Transfer-Encoding: chunked, identity") + b"0\r\n\r\n"),
    ("identity_in_a_second_field", 400, head("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + b"0\r\n\r\n"),
    ("transfer_encoding_identity", 400, head("Transfer-Encoding: identity", LENGTH) + BODY),
    ("an_unknown_transfer_coding", 400, head("Transfer-Encoding: xchunked") + b"0\r\n\r\n"),
    ("an_empty_transfer_encoding", 400, head("Transfer-Encoding:") + b"0\r\n\r\n"),
    ("chunked_with_a_parameter", 400, head("Transfer-Encoding: chunked;q=1") + b"0\r\n\r\n"),
    ("chunked_in_quotes", 400, head('Transfer-Encoding: "chunked"') + b"0\r\n\r\n"),
    ("chunked_with_a_vertical_tab_before_it", 400, head("Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n"),
    ("chunked_with_a_no_break_space_before_it", 400, head("Transfer-Encoding: \xa0chunked") + b"0\r\n\r\n"),
    ("chunked_in_http_1_0", 400, head("Transfer-Encoding: chunked", start="POST /v1/chat/completions HTTP/1.0") + b"0\r\n\r\n"),
    # Line ends
    ("a_bare_lf_after_the_request_line", 400, b"GET /v1/files HTTP/1.1\nHost: 127.0.0.1\r\n\r\n"),
    ("a_bare_lf_after_a_field", 400, b"GET /v1/files HTTP/1.1\r\nHost: 127.0.0.1\nX: y\r\n\r\n"),
    ("a_bare_lf_as_the_blank_line", 400, b"GET /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\n\n"),
    ("bare_lfs_throughout", 400, b"GET /v1/files HTTP/1.1\nHost: 127.0.0.1\n\n"),
    ("a_bare_cr_in_the_request_line", 400, b"GET /v1/files\rX HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
    ("a_bare_cr_in_a_value", 400, get("X: a\rTransfer-Encoding: chunked")),
    ("a_bare_cr_in_a_name", 400, get("X\rY: a")),
    ("two_crs_before_a_lf", 400, b"GET /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\r\n\r\n"),
    ("a_folded_line_with_a_space", 400, get("X: a", " b")),
    ("a_folded_line_with_a_tab", 400, get("X: a", "\tb")),
    ("a_folded_transfer_encoding", 400, head("Transfer-Encoding:", " chunked") + b"0\r\n\r\n"),
    ("a_fold_directly_after_the_request_line", 400, head(host=" Host: 127.0.0.1")),
    ("many_blank_lines_before_the_request", 400, b"\r\n\r\n\r\n" + get()),
    ("a_bare_lf_before_the_request", 400, b"\n" + get()),
    # Names and values
    ("a_space_before_the_colon", 400, head("Content-Length : 5") + b"hello"),
    ("a_tab_before_the_colon", 400, head("Transfer-Encoding\t: chunked") + b"0\r\n\r\n"),
    ("a_field_without_a_colon", 400, get("Nonsense")),
    ("a_field_without_a_name", 400, get(": value")),
    ("a_space_within_a_name", 400, get("Content Length: 5")),
    ("a_name_with_a_byte_beyond_ascii", 400, get("Tr\xe4nsfer-Encoding: chunked")),
    ("a_nul_in_a_name", 400, get("Content\0-Length: 5")),
    ("a_nul_in_a_value", 400, get("X: a\0b")),
    ("a_nul_in_the_target", 400, get(target="/v1/fi\0les")),
    ("a_control_byte_in_a_value", 400, get("X: a\x01b")),
    ("an_escape_sequence_in_a_value", 400, get("X: \x1b[31m")),
    ("a_del_in_a_value", 400, get("X: a\x7fb")),
    ("a_parenthesis_in_a_name", 400, get("X(y): z")),
    # Host
    ("no_host", 400, get(host=None)),
    ("no_host_in_http_1_0", 400, head(start="GET /v1/files HTTP/1.0", host=None)),
    ("two_hosts", 400, get("Host: evil.example")),
    ("two_equal_hosts", 400, get("Host: 127.0.0.1")),
    ("an_empty_host", 400, get(host="Host:")),
    ("a_host_with_a_user", 400, get(host="Host: 127.0.0.1@evil.example")),
    ("a_host_with_a_path", 400, get(host="Host: 127.0.0.1/evil.example")),
    ("a_list_of_hosts", 400, get(host="Host: 127.0.0.1, evil.example")),
    ("a_host_with_a_port_that_is_no_number", 400, get(host="Host: 127.0.0.1:80x")),
    ("an_unclosed_bracket_in_the_host", 400, get(host="Host: [::1")),
    # Request line
    ("http_0_9", 400, b"GET /v1/files\r\n\r\n"),
    ("a_request_line_of_one_word", 400, b"GET\r\n\r\n"),
    ("http_2_0", 505, head(start="GET /v1/files HTTP/2.0")),
    ("the_preface_of_http_2", 505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("a_version_of_two_digits", 400, head(start="GET /v1/files HTTP/1.10")),
    ("a_version_in_lower_case", 400, head(start="GET /v1/files http/1.1")),
    ("another_protocol", 400, head(start="GET /v1/files ICAP/1.0")),
    ("a_space_after_the_version", 400, head(start="GET /v1/files HTTP/1.1 ")),
    ("two_spaces_before_the_target", 400, head(start="GET  /v1/files HTTP/1.1")),
    ("two_spaces_after_the_target", 400, head(start="GET /v1/files  HTTP/1.1")),
    ("a_tab_between_the_words", 400, head(start="GET\t/v1/files\tHTTP/1.1")),
    ("a_space_before_the_method", 400, head(start=" GET /v1/files HTTP/1.1")),
    ("a_space_in_the_target", 400, get(target="/v1/fi les")),
    ("a_method_that_is_no_token", 400, head(start="GE(T /v1/files HTTP/1.1")),
    ("a_byte_beyond_ascii_in_the_target", 400, get(target="/v1/fil\xe9s")),
    ("a_control_byte_in_the_target", 400, get(target="/v1/\x01files")),
    ("a_fragment_in_the_target", 400, get(target="/v1/files#x")),
    ("a_target_without_a_slash", 400, get(target="v1/files")),
    ("an_asterisk_as_the_target_of_get", 400, get(target="*")),
    ("an_absolute_target_with_a_user", 400, get(target="http://user@127.0.0.1/v1/files")),
    ("an_absolute_target_of_another_scheme", 400, get(target="ftp://127.0.0.1/v1/files")),
    ("an_absolute_target_without_an_authority", 400, get(target="http:///v1/files")),
    ("the_first_bytes_of_a_tls_handshake", 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    # Sizes
    ("a_head_beyond_the_limit", 431, get("X: " + "a" * (65 << 10))),
    ("a_request_line_beyond_the_limit", 431, get(target="/v1/files?" + "a" * (65 << 10))),
    ("a_head_that_never_ends", 431, b"GET /v1/files HTTP/1.1\r\nX: " + b"a" * (66 << 10)),
    ("more_than_256_fields", 431, get(*[f"X{i}: y" for i in range(300)])),
    # Chunks
    ("a_chunk_size_that_is_no_number", 400, chunked(b"xyz\r\n")),
    ("a_negative_chunk_size", 400, chunked(b"-1\r\n")),
    ("a_chunk_size_with_0x", 400, chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
    ("a_chunk_size_with_a_plus", 400, chunked(b"+5\r\nhello\r\n0\r\n\r\n")),
    ("an_empty_chunk_size", 400, chunked(b"\r\nhello\r\n0\r\n\r\n")),
    ("a_space_before_the_chunk_size", 400, chunked(b" 5\r\nhello\r\n0\r\n\r\n")),
    ("a_space_after_the_chunk_size", 400, chunked(b"5 \r\nhello\r\n0\r\n\r\n")),
    ("a_chunk_size_beyond_64_bits", 400, chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n")),
    ("a_chunk_size_of_many_zeros", 400, chunked(b"0" * 400 + b"5\r\nhello\r\n0\r\n\r\n")),
    ("a_bare_lf_after_the_chunk_size", 400, chunked(b"5\nhello\r\n0\r\n\r\n")),
    ("a_bare_cr_after_the_chunk_size", 400, chunked(b"5\rhello\r\n0\r\n\r\n")),
    ("a_chunk_longer_than_its_size", 400, chunked(b"3\r\nhello\r\n0\r\n\r\n")),
    ("a_bare_lf_after_the_chunk", 400, chunked(b"5\r\nhello\n0\r\n\r\n")),
    ("a_bare_lf_in_a_chunk_extension", 400, chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n")),
    ("a_bare_cr_in_a_chunk_extension", 400, chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n")),
    ("a_control_byte_in_a_chunk_extension", 400, chunked(b"5;a=\x00\r\nhello\r\n0\r\n\r\n")),
    ("a_del_in_a_chunk_extension", 400, chunked(b"5;a=\x7f\r\nhello\r\n0\r\n\r\n")),
    ("an_endless_chunk_extension", 400, chunked(b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n")),
    ("a_bare_lf_after_the_last_chunk", 400, chunked(b"0\n\r\n")),
    ("a_bare_lf_as_the_end_of_the_trailers", 400, chunked(b"0\r\n\n")),
    ("a_bare_lf_in_a_trailer", 400, chunked(b"0\r\nX: y\n\r\n")),
    ("a_folded_trailer", 400, chunked(b"0\r\nX: y\r\n z\r\n\r\n")),
    ("a_trailer_without_a_colon", 400, chunked(b"0\r\nnonsense\r\n\r\n")),
    ("a_trailer_with_a_space_before_the_colon", 400, chunked(b"0\r\nX : y\r\n\r\n")),
    ("a_trailer_with_a_control_byte", 400, chunked(b"0\r\nX: \x01\r\n\r\n")),
    ("trailers_without_end", 400, chunked(b"0\r\n" + b"X: yyyyyyyyyyyyyyyy\r\n" * 2000 + b"\r\n")),
    # Expectations
    ("an_unknown_expectation", 417, head("Expect: 200-maybe", LENGTH) + BODY),
    ("an_expectation_with_a_second_one", 417, head("Expect: 100-continue, x", LENGTH) + BODY),
    ("an_empty_expectation", 417, head("Expect:", LENGTH) + BODY),
]

# Well framed, and refused all the same; the connection may go on.
REFUSED = [
    ("an_absolute_target_of_another_authority", 421, get(target="http://evil.example/v1/files")),
    ("an_absolute_target_of_another_authority_over_https", 421, get(target="https://evil.example/v1/files")),
    ("an_absolute_target_of_ours_with_another_host", 421, get(target="http://127.0.0.1/v1/files", host="Host: evil.example")),
    ("another_host", 421, get(host="Host: evil.example")),
    ("another_host_with_our_port", 421, get(host="Host: evil.example:8817")),
    ("a_host_that_begins_like_ours", 421, get(host="Host: 127.0.0.1.evil.example")),
    ("a_host_that_ends_like_ours", 421, get(host="Host: evil-localhost")),
    ("localhost_with_a_dot_in_front", 421, get(host="Host: x.localhost")),
    ("connect_to_another_host", 421, head(start="CONNECT evil.example:443 HTTP/1.1", host="Host: evil.example:443")),
    ("connect_with_our_host", 405, head(start="CONNECT evil.example:443 HTTP/1.1")),
    ("connect_to_ourselves", 405, head(start="CONNECT 127.0.0.1:443 HTTP/1.1")),
    ("trace", 405, head(start="TRACE /v1/files HTTP/1.1")),
    ("an_unknown_method", 405, head(start="BREW /v1/files HTTP/1.1")),
    ("a_method_in_lower_case", 405, head(start="get /v1/files HTTP/1.1")),
    ("a_webdav_method", 405, head(start="PROPFIND /v1/files HTTP/1.1")),
    ("a_dot_segment", 400, get(target="/v1/./files")),
    ("a_double_dot_segment", 400, get(target="/v1/../admin")),
    ("a_double_dot_segment_at_the_end", 400, get(target="/v1/files/..")),
    ("a_percent_encoded_dot_segment", 400, get(target="/v1/%2e%2e/admin")),
    ("a_percent_encoded_dot_segment_in_upper_case", 400, get(target="/v1/%2E%2E/admin")),
    ("a_half_encoded_dot_segment", 400, get(target="/v1/.%2e/admin")),
    ("a_single_encoded_dot", 400, get(target="/v1/%2e/files")),
    ("dots_beside_an_encoded_slash", 400, get(target="/v1/files/..%2fadmin")),
    ("encoded_dots_beside_an_encoded_slash", 400, get(target="/v1/files%2f%2e%2e%2fadmin")),
    ("dots_with_a_path_parameter", 400, get(target="/v1/..;x=y/admin")),
    ("a_backslash", 400, get(target="/v1\\..\\admin")),
    ("an_encoded_backslash", 400, get(target="/v1/..%5cadmin")),
    ("an_encoded_nul_in_the_path", 400, get(target="/v1/files%00.json")),
    ("an_encoded_line_end_in_the_path", 400, get(target="/v1/files%0d%0aX:%20y")),
    ("an_encoded_del_in_the_path", 400, get(target="/v1/files%7f")),
    ("a_percent_sign_alone", 400, get(target="/v1/files/100%")),
    ("a_percent_sign_with_one_digit", 400, get(target="/v1/files/%4")),
    ("a_percent_sign_without_hex_digits", 400, get(target="/v1/files/%zz")),
    ("dot_segments_under_a_named_upstream", 400, get(target="/u/one/v1/../../admin")),
    ("dot_segments_behind_our_own_pages", 400, get(target="/-/../v1/files")),
    ("dot_segments_in_front_of_the_metrics", 400, get(target="/v1/../metrics")),
    ("an_absolute_target_with_dot_segments", 400, get(target="http://127.0.0.1/v1/../admin")),
]


class HostileHeads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = Origin(lambda peer, origin: origin.note(peer.more() and peer.buffer, b""))
        cls.daemon = Daemon(config_for(cls.origin.base_url))

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.origin.stop()

    def setUp(self):
        self.before = self.origin.connections

    def tearDown(self):
        self.assertEqual(self.origin.connections, self.before, f"something of it left: {self.origin.seen}")

    def refused(self, connection, status, raw):
        answer = connection.read_response(to_head=raw.startswith(b"HEAD"))
        self.assertEqual(answer.status, status, answer.text)
        self.assertTrue(answer.json["error"]["code"])
        self.assertTrue(answer.json["error"]["message"])
        return answer

    def refused_and_closed(self, status, raw):
        with Connection(self.daemon.address) as connection:
            with contextlib.suppress(OSError):
                connection.send(raw + SMUGGLED)
            answer = self.refused(connection, status, raw)
            self.assertEqual(answer.header("connection"), "close")
            self.assertTrue(connection.at_end(), f"a second answer came: {connection.buffer!r}")

    def test_the_answer_is_the_same_however_the_bytes_are_cut(self):
        for name, status, raw in FRAMING:
            if len(raw) > 600:
                continue
            with self.subTest(name), Connection(self.daemon.address) as connection:
                with contextlib.suppress(OSError):
                    for byte in raw:
                        connection.send(bytes([byte]))
                self.refused(connection, status, raw)
                self.assertTrue(connection.at_end())

    def test_there_are_at_least_eighty_framing_offences(self):
        self.assertGreaterEqual(len(FRAMING), 80)
        names = [case[0] for case in FRAMING + REFUSED]
        self.assertEqual(len(names), len(set(names)))

    def test_head_requests_are_refused_without_a_body(self):
        with Connection(self.daemon.address) as connection:
            connection.send(b"HEAD /v1/files/.. HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            status, fields, _ = connection.read_head()
            self.assertEqual(status, 400)
            connection.send(b"HEAD /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            self.assertEqual(connection.read_head()[0], 200, "a body stood between the two heads")


def framing_case(status, raw):
    return lambda self: self.refused_and_closed(status, raw)


def refused_case(status, raw):
    def run(self):
        with Connection(self.daemon.address) as connection:
            connection.send(raw)
            answer = self.refused(connection, status, raw)
            if answer.header("connection") == "close":
                self.assertTrue(connection.at_end())
            else:  # then it is still in step
                connection.send(request_bytes("GET", "/healthz"))
                self.assertEqual(connection.read_response().status, 200)
    return run


for case_name, case_status, case_raw in FRAMING:
    setattr(HostileHeads, f"test_{case_name}_is_refused_and_the_connection_closed", framing_case(case_status, case_raw))
for case_name, case_status, case_raw in REFUSED:
    setattr(HostileHeads, f"test_{case_name}_is_refused", refused_case(case_status, case_raw))


def answering_all(peer, _):
    while True:
        peer.read_request()
        peer.answer(body=b'{"object":"chat.completion","choices":[]}')


class NeighboursOfTheHostile(unittest.TestCase):
    """What looks like the above and is right: it goes through, and as exactly one request."""

    def setUp(self):
        self.origin = Origin(answering_all)
        self.addCleanup(self.origin.stop)
        self.daemon = Daemon(config_for(self.origin.base_url))
        self.addCleanup(self.daemon.stop)

    def exchange(self, raw):
        with Connection(self.daemon.address) as connection:
            connection.send(raw)
            answer = connection.read_response()
        self.assertEqual(answer.status, 200, answer.text)
        return self.origin.wait_seen(1)[-1]

    def test_a_request_hidden_in_a_body_stays_body(self):
        hidden = json.dumps(chat(note=SMUGGLED.decode())).encode()
        with Connection(self.daemon.address) as connection:
            connection.send(request_bytes("POST", "/v1/chat/completions", body=hidden) + request_bytes("GET", "/healthz"))
            self.assertEqual(connection.read_response().status, 200)
            self.assertEqual(connection.read_response().status, 200)
        self.assertEqual([body for _, body in self.origin.seen], [hidden])

    def test_a_pipelined_request_is_judged_on_its_own(self):
        with Connection(self.daemon.address) as connection:
            connection.send(request_bytes("POST", "/v1/chat/completions", body=chat()) +
                            head("Content-Length: 1", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + SMUGGLED)
            self.assertEqual(connection.read_response().status, 200)
            self.assertEqual(connection.read_response().status, 400)
            self.assertTrue(connection.at_end())
        self.assertEqual(len(self.origin.seen), 1)

    def test_a_chunked_body_is_sent_on_with_a_length_and_without_its_trailers(self):
        half = len(BODY) // 2
        raw = chunked(b"%X;name=\"value\"\r\n%s\r\n%x\r\n%s\r\n0\r\nContent-Length: 0\r\nAuthorization: x\r\n\r\n" %
                      (half, BODY[:half], len(BODY) - half, BODY[half:]))
        sent, body = self.exchange(raw)
        self.assertEqual(body, BODY)
        self.assertIn(LENGTH.encode(), sent)
        self.assertNotIn(b"Authorization: x", sent)
        self.assertEqual(sent.lower().count(b"content-length:"), 1)
        self.assertNotIn(b"ransfer-", sent)

    def test_chunked_is_understood_in_any_case(self):
        _, body = self.exchange(head("transfer-encoding:   CHUNKED  ") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))
        self.assertEqual(body, BODY)

    def test_an_expectation_is_met_here_and_not_sent_on(self):
        with Connection(self.daemon.address) as connection:
            connection.send(head("Expect: 100-Continue", LENGTH))
            self.assertEqual(connection.read_until(b"\r\n\r\n").split(b"\r\n")[0], b"HTTP/1.1 100 Continue")
            self.assertEqual(self.origin.connections, 0)
            connection.send(BODY)
            self.assertEqual(connection.read_response().status, 200)
        sent, body = self.origin.seen[-1]
        self.assertEqual(body, BODY)
        self.assertNotIn(b"expect", sent.lower())

    def test_one_blank_line_before_a_request_is_ignored(self):
        sent, _ = self.exchange(b"\r\n" + head(LENGTH) + BODY)
        self.assertTrue(sent.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n"))

    def test_an_absolute_target_of_ours_is_sent_on_as_a_path(self):
        sent, _ = self.exchange(head(LENGTH, start="POST http://127.0.0.1:8817/v1/chat/completions HTTP/1.1") + BODY)
        self.assertTrue(sent.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n"))
        self.assertEqual(sent.lower().count(b"\r\nhost:"), 1)
        self.assertIn(b"\r\nHost: 127.0.0.1:%d\r\n" % self.origin.port, sent)

    def test_white_space_around_a_value_and_bytes_beyond_ascii_in_it_are_taken(self):
        sent, _ = self.exchange(head("X-Name:  \t caf\xe9 \t ", LENGTH) + BODY)
        self.assertIn(b"X-Name: caf\xe9\r\n", sent)

    def test_double_encoding_is_left_alone(self):
        sent, _ = self.exchange(get(target="/v1/files/%252e%252e%20x"))
        self.assertTrue(sent.startswith(b"GET /v1/files/%252e%252e%20x HTTP/1.1\r\n"))

    def test_a_broken_chunked_upload_on_a_pass_through_path_never_looks_whole(self):
        seen = []
        cut = Origin(lambda peer, _: [None for _ in iter(peer.more, False)] and seen.append(peer.buffer))
        self.addCleanup(cut.stop)
        daemon = Daemon(config_for(cut.base_url))
        self.addCleanup(daemon.stop)
        with Connection(daemon.address) as connection:
            connection.send(head("Transfer-Encoding: chunked", start="POST /v1/files HTTP/1.1") + b"5\r\nhello\r\n0\r\nX : y\r\n\r\n" + SMUGGLED)
            self.assertEqual(connection.read_response().status, 400)
            self.assertTrue(connection.at_end())
        daemon.stop()
        self.assertTrue(all(b"\r\n0\r\n" not in raw and b"smuggled" not in raw for raw in seen), seen)


if __name__ == "__main__":
    unittest.main(verbosity=2)
