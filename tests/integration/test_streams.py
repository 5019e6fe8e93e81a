"""Streams of the policy paths: what comes from the upstream reaches the client as it is, when it comes, and no sooner."""
import json
import socket
import threading
import time
import unittest

import harness
from harness import (PATIENCE, Connection, Daemon, Mock, Origin, answering, chat, config_for, delta, http, metric, request_bytes,
                     resident_bytes, wait_for)

STREAM = chat(stream=True)
DONE = "data: [DONE]\n\n"
ROLE = 'data: {"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
USAGE = 'data: {"id":"c1","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}\n\n'
REFUSAL = b'{"error":{"message":"Unrecognized request argument supplied: stream_options","type":"invalid_request_error","param":null,"code":null}}'


class Case(harness.Case):
    def post(self, daemon, body, path="/v1/chat/completions", headers=()):
        return http(daemon.address, "POST", path, headers, body)


def same(case, got, wanted):
    """Equal bytes; a difference is shown by its place, since a diff of megabytes takes minutes."""
    at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
    case.assertTrue(got == wanted, f"they differ at byte {at}: {got[at:at + 80]!r} instead of {wanted[at:at + 80]!r}")


def streaming(*pieces, end=True, headers=()):
    """A script: every request is answered by a stream of these chunks."""
    def script(peer, origin):
        while True:
            peer.read_request()
            peer.start_stream(headers)
            for piece in pieces:
                peer.chunk(piece)
            if not end:
                return
            peer.end_chunks()
    return script


class AsItComes(Case):
    """One daemon in front of the mock."""

    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        cls.proxy = Daemon(config_for(cls.mock.base_url))

    @classmethod
    def tearDownClass(cls):
        cls.proxy.stop()
        cls.mock.stop()

    def direct_and_through(self, path, body, headers=()):
        """The same stream straight from the mock and through the daemon."""
        straight = http(("127.0.0.1", self.mock.port), "POST", path, [("Authorization", "Bearer " + self.mock.key), *headers], body)
        return straight, self.post(self.proxy, body, path, headers)

    def check_identical(self, path, body, headers=()):
        straight, through = self.direct_and_through(path, body, headers)
        self.assertEqual(through.status, 200)
        self.assertTrue(through.complete)
        self.assertTrue(through.header("content-type").startswith("text/event-stream"))
        same(self, through.body, straight.body)
        return through

    def test_a_chat_stream_arrives_byte_for_byte(self):
        answer = self.check_identical("/v1/chat/completions", chat(stream=True, stream_options={"include_usage": True}))
        self.assertTrue(answer.text.endswith(DONE))

    def test_a_completions_stream_arrives_byte_for_byte(self):
        body = {"model": "mock-1", "prompt": "hello", "stream": True, "stream_options": {"include_usage": True}}
        self.assertTrue(self.check_identical("/v1/completions", body).text.endswith(DONE))

    def test_a_responses_stream_arrives_byte_for_byte(self):
        answer = self.check_identical("/v1/responses", {"model": "mock-1", "input": "hello", "stream": True})
        self.assertIn("event: response.completed", answer.text)
        self.assertNotIn("[DONE]", answer.text)

    def test_a_messages_stream_arrives_byte_for_byte(self):
        body = {"model": "mock-1", "max_tokens": 50, "stream": True, "messages": [{"role": "user", "content": "hello"}]}
        answer = self.check_identical("/v1/messages", body)
        self.assertIn("event: message_stop", answer.text)
        self.assertNotIn("[DONE]", answer.text)

    def test_reasoning_arrives_byte_for_byte_and_a_tool_call_whole(self):
        tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}}]
        asked = {"stream_options": {"include_usage": True}, "stream": True}
        self.check_identical("/v1/chat/completions", {**chat("mock-reasoner"), **asked})
        call = {**chat(), **asked, "tools": tools, "tool_choice": "required"}
        straight, through = self.direct_and_through("/v1/chat/completions", call)
        pieces, whole = self.calls_in(straight.text), self.calls_in(through.text)
        self.assertGreater(len(pieces), 1)
        self.assertEqual(whole, [{**pieces[0], "function": {"name": "look", "arguments": "".join(piece["function"]["arguments"] for piece in pieces)}}])

    @staticmethod
    def calls_in(text):
        chunks = [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: {")]
        return [piece for chunk in chunks for choice in chunk["choices"] for piece in choice["delta"].get("tool_calls", ())]

    def test_events_split_over_chunks_arrive_byte_for_byte(self):
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        for size in (1, 3, 7, 64):
            with self.subTest(chunk_bytes=size):
                self.check_identical("/v1/chat/completions", {**chat(), **asked, "max_tokens": 6}, [("x-mock-chunk-bytes", str(size))])

    def test_a_large_stream_arrives_byte_for_byte(self):
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        self.check_identical("/v1/chat/completions", {**chat(), **asked}, [("x-mock-bytes", "400000")])

    def test_usage_asked_by_us_is_metered_and_hidden(self):
        before = self.proxy.metrics()
        self.assertNotIn('"choices":[]', self.post(self.proxy, STREAM).text)
        self.assertEqual(json.loads(self.mock.requests()[-1]["body"])["stream_options"], {"include_usage": True})
        after = self.proxy.metrics()
        moved = lambda kind: metric(after, "streamkeeper_tokens_total", kind=kind) - metric(before, "streamkeeper_tokens_total", kind=kind)
        self.assertGreater(moved("input") + moved("cache_read"), 0)
        self.assertGreater(moved("output"), 0)

    def test_a_request_may_come_byte_by_byte(self):
        data = request_bytes("POST", "/v1/chat/completions", body=chat(stream=True, max_tokens=3))
        connection = self.connect(self.proxy)
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            connection.send(data[i:i + 1])
        answer = connection.read_response()
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.text.endswith(DONE))

    def test_a_chunked_request_may_come_byte_by_byte(self):
        body = json.dumps(chat(stream=True, max_tokens=3)).encode()
        chunks = b"".join(b"%x;x=y\r\n%s\r\n" % (len(body[i:i + 5]), body[i:i + 5]) for i in range(0, len(body), 5)) + b"0\r\nx-sum: 1\r\n\r\n"
        data = request_bytes("POST", "/v1/chat/completions", [("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")]) + chunks
        connection = self.connect(self.proxy)
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            connection.send(data[i:i + 1])
        self.assertEqual(connection.read_response().status, 200)
        headers = self.mock.requests()[-1]["headers"]
        self.assertNotIn("transfer-encoding", headers)
        self.assertEqual(int(headers["content-length"]), self.mock.requests()[-1]["body_bytes"])

    def test_a_large_chunked_request_arrives_whole(self):
        body = json.dumps(chat(max_tokens=3, user="x" * 3000000)).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 50000]), body[i:i + 50000]) for i in range(0, len(body), 50000)) + b"0\r\n\r\n"
        for _ in range(3):
            connection = self.connect(self.proxy)
            connection.send(request_bytes("POST", "/v1/chat/completions", [("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")]) + chunks)
            self.assertEqual(connection.read_response().status, 200)
            self.assertEqual(self.mock.requests()[-1]["body_bytes"], len(body))

    def test_two_streams_follow_each_other_on_one_connection(self):
        connection = self.connect(self.proxy)
        for _ in range(2):
            connection.send(request_bytes("POST", "/v1/chat/completions", body=STREAM))
            self.assertTrue(connection.read_response().text.endswith(DONE))


class EventByEvent(Case):
    def test_an_event_is_forwarded_when_its_last_byte_arrived(self):
        step = threading.Semaphore(0)

        def script(peer, origin):
            peer.read_request()
            peer.start_stream()
            for i in range(10):
                peer.chunk(delta(f"word {i}"))
                if not step.acquire(timeout=PATIENCE):  # the client has read this event
                    return
            peer.chunk(delta(finish="stop"))
            peer.chunk(DONE)
            peer.end_chunks()

        daemon, _ = self.behind(script)
        connection = self.connect(daemon)
        connection.send(request_bytes("POST", "/v1/chat/completions", body=STREAM))
        connection.read_head()
        for i in range(10):
            self.assertEqual(connection.read_chunk().decode(), delta(f"word {i}"))
            step.release()
        rest = b""
        while chunk := connection.read_chunk():
            rest += chunk
        self.assertEqual(rest.decode(), delta(finish="stop") + DONE)

    def test_an_incomplete_event_waits_for_its_last_byte(self):
        go = threading.Event()
        first, second = delta("one"), delta("two")

        def script(peer, origin):
            peer.read_request()
            peer.start_stream()
            peer.chunk(first + second[:-1])
            go.wait(PATIENCE)
            peer.chunk(second[-1:] + delta(finish="stop") + DONE)
            peer.end_chunks()

        daemon, _ = self.behind(script)
        connection = self.connect(daemon)
        connection.send(request_bytes("POST", "/v1/chat/completions", body=STREAM))
        connection.read_head()
        self.assertEqual(connection.read_chunk().decode(), first)
        self.assertEqual(connection.buffer, b"")
        go.set()
        self.assertTrue(connection.read_chunk().decode().startswith(second))

    def test_a_stream_may_dribble_byte_by_byte(self):
        events = ROLE + delta("a") + delta("\u00fc") + delta(finish="stop") + DONE

        def script(peer, origin):
            peer.read_request()
            peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            data = events.encode()
            body = b"".join(b"%x\r\n%s\r\n" % (len(data[i:i + 2]), data[i:i + 2]) for i in range(0, len(data), 2)) + b"0\r\n\r\n"
            for byte in head + body:
                peer.send(bytes([byte]))

        daemon, _ = self.behind(script)
        answer = self.post(daemon, STREAM)
        self.assertTrue(answer.complete)
        self.assertEqual(answer.text, events)

    def test_many_events_in_one_chunk_arrive_all(self):
        events = ROLE + "".join(delta(f"w{i}") for i in range(5000)) + delta(finish="stop") + DONE
        daemon, _ = self.behind(streaming(events))
        answer = self.post(daemon, STREAM)
        same(self, answer.text, events)

    def test_many_events_with_many_hidden_ones_between_arrive_in_order(self):
        shown = [delta(f"w{i}") for i in range(300)]
        events = "".join(event + USAGE for event in shown)
        daemon, _ = self.behind(streaming(events + delta(finish="stop"), DONE))
        same(self, self.post(daemon, STREAM).text, "".join(shown) + delta(finish="stop") + DONE)

    def test_line_ends_arrive_as_they_are(self):
        one, stop = delta("one"), delta(finish="stop")
        crlf = lambda text: text.replace("\n", "\r\n")
        self.check_forms({
            "LF": one + stop + DONE,
            "CRLF": crlf(one + stop + DONE),
            "CR": (one + stop + DONE).replace("\n", "\r"),
            "mixed": crlf(one) + stop + DONE.replace("\n", "\r"),
        }, lambda text: text)

    def test_what_clients_choke_on_is_taken_away(self):
        """Comments, marks and fields that some SDKs take for an event (resumption_facts.md, section 6)."""
        one, stop = delta("one"), delta(finish="stop")
        data = [json.loads(one[6:]), json.loads(stop[6:])]

        def payload(text):
            self.assertTrue(all(event.startswith("data: ") and "\n" not in event for event in text.split("\n\n")[:-1]), text)
            return [json.loads(event[6:]) for event in text.split("\n\n")[:-2]], text[-len(DONE):]
        self.check_forms({
            "BOM": "\ufeff" + one + stop + DONE,
            "comments": ": OPENROUTER PROCESSING\n\n" + one + ": ping\n\n" + stop + DONE,
            "a comment in an event": ": here\n" + one + stop + DONE,
            "no space": one.replace("data: ", "data:") + stop + DONE,
            "other fields": "id: 1\nretry: 5\nevent: x\n" + one + stop + DONE,
            "blank lines": "\n\n" + one + "\n\n" + stop + DONE,
            "an empty event": one + "data:\n\n" + stop + DONE,
            "data in two lines": one.replace('"choices"', '\ndata: "choices"') + stop + DONE,
        }, payload, (data, DONE))

    def check_forms(self, forms, read, wanted=None):
        answers = [lambda peer, text=text: (peer.start_stream(), peer.chunk(text), peer.end_chunks()) for text in forms.values()]
        daemon, _ = self.behind(answering(*answers))
        for name, text in forms.items():
            with self.subTest(form=name):
                answer = self.post(daemon, STREAM)
                self.assertEqual((answer.status, answer.complete), (200, True))
                self.assertEqual(read(answer.text), wanted or text)

    def test_crlf_split_at_every_place_arrives_whole(self):
        text = (delta("o") + delta(finish="stop") + DONE).replace("\n", "\r\n").encode()
        cuts = [at for at in range(len(text) - 1) if text[at:at + 1] in b"\r\n"]  # a LF torn off the last line end is no event
        answers = [lambda peer, cut=cut: (peer.start_stream(), peer.chunk(text[:cut]), peer.chunk(text[cut:]), peer.end_chunks()) for cut in cuts]
        daemon, _ = self.behind(answering(*answers))
        lines = lambda data: [line for line in data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n") if line]
        for cut in cuts:
            answer = self.post(daemon, STREAM)
            self.assertEqual([json.loads(line[6:]) for line in lines(answer.body)[:-1]], [json.loads(line[6:]) for line in lines(text)[:-1]], f"cut at {cut}")
            self.assertNotRegex(answer.text, "\r[^\n]", "no CR without its LF, which clients that split at LF don't see")

    def test_a_stream_of_known_length_or_ended_by_close_is_relayed_too(self):
        text = (delta("x") + delta(finish="stop") + DONE).encode()
        kinds = [("Content-Type", "text/event-stream")]

        def closing(peer):
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + text)
            peer.close()

        daemon, _ = self.behind(answering(lambda peer: peer.answer(200, text, kinds), closing))
        for _ in range(2):
            answer = self.post(daemon, STREAM)
            self.assertEqual(answer.body, text)
            self.assertEqual(answer.header("transfer-encoding"), "chunked")
            self.assertTrue(answer.complete)

    def test_an_old_client_gets_an_answer_ended_by_close(self):
        text = delta("x") + delta(finish="stop") + DONE
        daemon, _ = self.behind(streaming(text))
        connection = self.connect(daemon)
        connection.send(request_bytes("POST", "/v1/chat/completions", body=STREAM).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        answer = connection.read_response()
        self.assertIsNone(answer.header("transfer-encoding"))
        self.assertIsNone(answer.header("content-length"))
        self.assertEqual(answer.header("connection"), "close")
        self.assertEqual(answer.text, text)

    def test_an_old_client_is_told_of_a_cut_by_an_error_event(self):
        daemon, _ = self.behind(streaming(delta("x"), end=False))
        connection = self.connect(daemon)
        connection.send(request_bytes("POST", "/v1/chat/completions", body=STREAM).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        answer = connection.read_response()
        self.assertTrue(answer.text.startswith(delta("x")))
        event = answer.text[len(delta("x")):]
        self.assertEqual(json.loads(event.removeprefix("data: "))["error"]["code"], "upstream_closed")


class Commit(Case):
    def test_nothing_is_shown_before_the_first_payload_event(self):
        go = threading.Event()

        def script(peer, origin):
            peer.read_request()
            peer.start_stream()
            peer.chunk(": queued\n\n" + ROLE)
            go.wait(PATIENCE)
            peer.chunk(delta("text"))
            peer.chunk(delta(finish="stop") + DONE)
            peer.end_chunks()

        daemon, origin = self.behind(script)
        connection = self.connect(daemon)
        connection.send(request_bytes("POST", "/v1/chat/completions", body=STREAM))
        origin.wait_seen(1)
        connection.socket.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            connection.more()
        connection.socket.settimeout(PATIENCE)
        go.set()
        connection.read_head()
        first = connection.read_chunk().decode()  # events that came in one read are one chunk
        self.assertTrue(first.startswith(ROLE + delta("text")), "shown together with it")

    def test_a_failure_before_it_is_a_real_status(self):
        error = 'data: {"error":{"message":"overloaded","type":"server_error","code":503}}\n\n'
        cut = lambda peer: (peer.start_stream(), peer.chunk(ROLE), peer.close())
        broken = lambda peer: (peer.start_stream(), peer.chunk(ROLE), peer.send(b"zz\r\n"), peer.close())
        failing = lambda peer: (peer.start_stream(), peer.chunk(ROLE + error), peer.end_chunks())
        empty = lambda peer: (peer.start_stream(), peer.end_chunks())
        for name, answer, status, code in (("cut", cut, 502, "upstream_closed"), ("framing", broken, 502, "upstream_closed"),
                                           ("error event", failing, 503, None), ("empty", empty, 502, "upstream_closed")):
            with self.subTest(name):
                daemon, _ = self.behind(answering(answer))
                response = self.post(daemon, STREAM)
                self.assertEqual(response.status, status)
                self.assertEqual(response.header("content-type"), "application/json")
                if code:
                    self.assertEqual(response.json["error"]["code"], code)

    def test_a_cut_after_it_is_a_comment_and_a_close_without_the_last_chunk(self):
        daemon, _ = self.behind(streaming(delta("x"), end=False))
        answer = self.post(daemon, STREAM)
        self.assertEqual(answer.status, 200)
        self.assertFalse(answer.complete)
        self.assertEqual(answer.text, delta("x") + ": streamkeeper stream_interrupted\n\n")
        self.assertEqual(daemon.wait_request_lines(1)[0]["outcome"], "aborted")
        self.assertEqual(metric(daemon.metrics(), "streamkeeper_stream_ends_total", how="truncated"), 1)

    def test_every_kind_of_output_commits(self):
        kinds = [{"content": "x"}, {"reasoning_content": "x"}, {"reasoning": "x"}, {"refusal": "x"}, {"audio": {"data": "eA=="}},
                 {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": ""}}]}]
        events = ["data: " + json.dumps({"choices": [{"index": 0, "delta": kind}]}) + "\n\n" for kind in kinds]
        hold = threading.Event()
        self.addCleanup(hold.set)
        answers = [lambda peer, event=event: (peer.start_stream(), peer.chunk(event), hold.wait(PATIENCE)) for event in events]
        daemon, _ = self.behind(lambda peer, origin: (peer.read_request(), answers[len(origin.seen) - 1](peer)))
        for event in events:
            connection = self.connect(daemon)
            connection.send(request_bytes("POST", "/v1/chat/completions", body=STREAM))
            self.assertEqual(connection.read_head()[0], 200)
            if "tool_calls" not in event:  # a call is shown when it is whole
                self.assertEqual(connection.read_chunk().decode(), event)
            connection.close()


class Usage(Case):
    FINE = (delta("x"), delta(finish="stop"), USAGE, DONE)

    def sent(self, body, stream_usage=""):
        """(what the upstream got, what the client got)"""
        daemon, origin = self.behind(streaming(*self.FINE), upstream_extra=stream_usage and f"stream_usage: {stream_usage}")
        answer = self.post(daemon, body)
        self.assertEqual(answer.status, 200)
        return origin.seen[0][1], answer.text

    def test_usage_is_asked_for_and_the_rest_stays_byte_for_byte(self):
        asked = b'"stream_options":{"include_usage":true}'
        forms = [
            (b'{ "model":"m", "stream" : true , "n":1.0 }', b'{ "model":"m", "stream" : true , "n":1.0 ,' + asked + b"}"),
            (b'{"stream":true,"stream_options":null,"model":"m"}', b'{"stream":true,' + asked + b',"model":"m"}'),
            (b'{"stream":true,"stream_options": {} ,"model":"m"}', b'{"stream":true,"stream_options": {"include_usage":true} ,"model":"m"}'),
            (b'{"stream":true,"stream_options":{"a":[1, 2]},"model":"m"}', b'{"stream":true,"stream_options":{"a":[1, 2],"include_usage":true},"model":"m"}'),
            (b'{"stream":true,"stream_options":{"include_usage":false,"b":1},"model":"m"}',
             b'{"stream":true,"stream_options":{"include_usage":true,"b":1},"model":"m"}'),
            (b'{"stream":true,"stream_options":{"include_usage":null},"model":"m"}', b'{"stream":true,"stream_options":{"include_usage":true},"model":"m"}'),
        ]
        for body, wanted in forms:
            with self.subTest(body=body):
                got, shown = self.sent(body)
                self.assertEqual(got, wanted)
                self.assertEqual(shown, "".join(self.FINE).replace(USAGE, ""), "hidden again")

    def test_a_client_that_asked_sees_usage_and_its_body_is_untouched(self):
        body = b'{"model":"m","stream":true,"stream_options":{ "include_usage" : true }}'
        got, shown = self.sent(body)
        self.assertEqual(got, body)
        self.assertEqual(shown, "".join(self.FINE))

    def test_off_never_asks(self):
        body = b'{"model":"m","stream":true}'
        got, shown = self.sent(body, "off")
        self.assertEqual(got, body)
        self.assertEqual(shown, "".join(self.FINE), "what nobody added is not taken away")

    def test_a_request_without_a_stream_is_not_asked(self):
        daemon, origin = self.behind(answering(lambda peer: peer.answer(200, b'{"choices":[]}')))
        body = b'{"model":"m","stream":false}'
        self.post(daemon, body)
        self.assertEqual(origin.seen[0][1], body)

    def test_responses_and_messages_are_never_asked(self):
        daemon, origin = self.behind(answering(lambda peer: peer.answer(200, b'{"object":"response"}')))
        body = b'{"model":"m","stream":true}'
        for path in ("/v1/responses", "/v1/messages"):
            self.post(daemon, body, path)
            self.assertEqual(origin.seen[-1][1], body)

    def test_a_hidden_usage_is_hidden_wherever_the_chunks_are_cut(self):
        text = "".join(self.FINE).encode()
        cuts = range(1, len(text), 11)
        answers = [lambda peer, cut=cut: (peer.start_stream(), peer.chunk(text[:cut]), peer.chunk(text[cut:]), peer.end_chunks()) for cut in cuts]
        daemon, _ = self.behind(answering(*answers))
        for cut in cuts:
            self.assertEqual(self.post(daemon, STREAM).text, "".join(self.FINE).replace(USAGE, ""), f"cut at {cut}")
        wait_for(lambda: metric(daemon.metrics(), "streamkeeper_tokens_total", kind="input") == 7 * len(cuts))

    def refusing(self, peer, origin):
        while True:
            _, body = peer.read_request()
            if b"stream_options" in body:
                peer.answer(400, REFUSAL)
                continue
            peer.start_stream()
            for piece in (delta("x"), delta(finish="stop"), DONE):
                peer.chunk(piece)
            peer.end_chunks()

    def test_a_refusal_of_stream_options_is_sent_again_without_and_remembered(self):
        daemon, origin = self.behind(self.refusing)
        body = b'{"model":"m","stream":true}'
        answer = self.post(daemon, body)
        self.assertEqual((answer.status, answer.text), (200, delta("x") + delta(finish="stop") + DONE))
        self.assertEqual(answer.header("x-streamkeeper-attempts"), "2")
        self.assertEqual([b"stream_options" in seen for _, seen in origin.seen], [True, False])
        self.assertEqual(origin.seen[1][1], body)
        self.assertEqual(self.post(daemon, body).header("x-streamkeeper-attempts"), "1")
        self.assertEqual(len(origin.seen), 3, "remembered")

    def test_on_asks_again_next_time(self):
        daemon, origin = self.behind(self.refusing, upstream_extra="stream_usage: on")
        for _ in range(2):
            self.assertEqual(self.post(daemon, b'{"model":"m","stream":true}').status, 200)
        self.assertEqual([b"stream_options" in seen for _, seen in origin.seen], [True, False, True, False])

    def test_a_refusal_is_not_sent_again_for_ever(self):
        daemon, origin = self.behind(answering(lambda peer: peer.answer(400, REFUSAL)))
        answer = self.post(daemon, b'{"model":"m","stream":true}')
        self.assertEqual(answer.status, 400)
        self.assertEqual(len(origin.seen), 2)

    def test_a_refusal_of_the_clients_own_option_is_the_clients(self):
        daemon, origin = self.behind(self.refusing)
        self.assertEqual(self.post(daemon, chat(stream=True, stream_options={"include_usage": True})).status, 400)
        self.assertEqual(len(origin.seen), 1)


class Endings(Case):
    def test_a_missing_done_is_supplied_after_a_real_finish(self):
        def closing(peer):
            peer.start_stream()
            peer.chunk(delta("x") + delta(finish="stop"))
            peer.close()

        daemon, _ = self.behind(lambda peer, origin: streaming(delta("x"), delta(finish="stop"))(peer, origin) if origin.connections == 1 else
                                (peer.read_request(), closing(peer)))
        for _ in range(2):
            answer = self.post(daemon, STREAM)
            self.assertTrue(answer.complete)
            self.assertEqual(answer.text, delta("x") + delta(finish="stop") + DONE)
            if _ == 0:
                # A fresh connection gives the second form, cut after the finish.
                daemon.stop()
                daemon, _o = self.behind(lambda peer, origin: (peer.read_request(), closing(peer)))

    def test_done_is_never_supplied_without_a_finish(self):
        daemon, _ = self.behind(streaming(delta("x")))
        answer = self.post(daemon, STREAM)
        self.assertNotIn("[DONE]", answer.text)
        self.assertFalse(answer.complete)

    def test_done_is_never_supplied_before_every_choice_has_finished(self):
        second = delta("y").replace('"index": 0', '"index": 1')
        daemon, _ = self.behind(streaming(delta("x"), second, delta(finish="stop")))
        answer = self.post(daemon, chat(stream=True, n=2))
        self.assertNotIn("[DONE]", answer.text)
        self.assertFalse(answer.complete)

    def test_responses_and_messages_end_by_their_own_event(self):
        completed = 'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r","status":"completed"}}\n\n'
        text = 'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"x"}\n\n'
        daemon, _ = self.behind(streaming(text, completed))
        self.assertEqual(self.post(daemon, {"model": "m", "stream": True}, "/v1/responses").text, text + completed)
        block = 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}\n\n'
        stop = 'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}\n\n'
        end = 'event: message_stop\ndata: {"type":"message_stop"}\n\n'
        daemon, _ = self.behind(streaming(block, stop, end))
        self.assertEqual(self.post(daemon, {"model": "m", "stream": True}, "/v1/messages").text, block + stop + end)

    def test_an_upstream_that_never_ends_after_done_does_not_hold_the_client(self):
        hold = threading.Event()
        self.addCleanup(hold.set)
        daemon, _ = self.behind(lambda peer, origin: (streaming(delta("x"), delta(finish="stop"), DONE, end=False)(peer, origin), hold.wait(PATIENCE)))
        answer = self.post(daemon, STREAM)
        self.assertTrue(answer.complete)
        self.assertEqual(daemon.wait_request_lines(1)[0]["outcome"], "ok")


class SlowClients(Case):
    EVENT = delta("x" * 4000).encode()

    def pouring(self, sent, stop):
        def script(peer, origin):
            peer.read_request()
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            peer.start_stream()
            batch = self.EVENT * 8
            while not stop.is_set():
                peer.chunk(batch)
                sent[0] += len(batch)
        return script

    def lazy(self, daemon):
        """A client that asks and reads nothing."""
        connection = Connection.__new__(Connection)
        connection.socket, connection.buffer = socket.socket(), b""
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.socket.settimeout(PATIENCE)
        connection.socket.connect(daemon.address)
        self.addCleanup(connection.close)
        connection.send(request_bytes("POST", "/v1/chat/completions", body=STREAM))
        return connection

    def test_a_client_that_does_not_read_stops_the_upstream_within_bounded_memory(self):
        sent, stop = [0], threading.Event()
        self.addCleanup(stop.set)
        daemon, _ = self.behind(self.pouring(sent, stop))
        http(daemon.address, "GET", "/healthz")
        before = resident_bytes(daemon.pid)
        connection = self.lazy(daemon)
        wait_for(lambda: sent[0] > 0)
        steady = -1
        while steady != sent[0]:  # until the origin can't send any more
            steady = sent[0]
            time.sleep(0.5)
        self.assertLess(steady, 32 << 20, "socket buffers, not memory")
        self.assertLess(resident_bytes(daemon.pid) - before, 8 << 20, "buffers and resume.transcript")
        connection.read_head()
        for _ in range(50):
            chunk = connection.read_chunk()
            self.assertEqual(len(chunk) % len(self.EVENT), 0)
        wait_for(lambda: sent[0] > steady)

    def test_a_client_that_takes_nothing_for_too_long_is_ended(self):
        sent, stop = [0], threading.Event()
        self.addCleanup(stop.set)
        daemon, _ = self.behind(self.pouring(sent, stop), extra="timeouts: {client_keepalive: 1s, stream_idle: 300ms, stream_progress: 300ms}")
        self.lazy(daemon)
        line = daemon.wait_request_lines(1)[0]
        self.assertEqual(line["outcome"], "client_closed")
        self.assertGreater(line["ms"], 900)

    def test_a_slow_client_is_not_taken_for_a_silent_upstream(self):
        text = self.EVENT * 8

        def script(peer, origin):
            peer.read_request()
            peer.start_stream()
            for _ in range(64):
                peer.chunk(text)
            peer.chunk(delta(finish="stop") + DONE)
            peer.end_chunks()

        daemon, _ = self.behind(script, extra="timeouts: {stream_idle: 600ms, stream_progress: 600ms}")
        connection = self.lazy(daemon)
        time.sleep(2)  # longer than both, with the stream stopped by the client alone
        answer = connection.read_response()
        self.assertTrue(answer.complete)
        self.assertTrue(answer.text.endswith(DONE))


if __name__ == "__main__":
    unittest.main(verbosity=2)
