"""What a reload means for connections and requests that are already there."""
import os
import signal
import threading
import unittest

from harness import Connection, Daemon, Origin, answering, chat, config_for, http, request_bytes, wait_for


def reload(daemon):
    before = daemon.output.count("the configuration was reloaded")
    os.kill(daemon.pid, signal.SIGHUP)
    wait_for(lambda: daemon.output.count("the configuration was reloaded") > before)


class Reload(unittest.TestCase):
    def test_a_kept_connection_is_asked_for_the_new_token_at_its_next_request(self):
        origin = Origin(answering(lambda peer: peer.answer()))
        daemon = Daemon(config_for(origin.base_url, extra="clients: [{name: tool, token_file: token}]"),
                        files={"token": "token-one-0123456789"})
        try:
            with Connection(daemon.address) as connection:
                def status_with(token):
                    connection.send(request_bytes("POST", "/v1/chat/completions", [("Authorization", f"Bearer {token}")], chat()))
                    return connection.read_response().status
                self.assertEqual(status_with("token-one-0123456789"), 200)
                daemon.write("token", "token-two-0123456789")
                reload(daemon)
                self.assertEqual(status_with("token-two-0123456789"), 200)
            with Connection(daemon.address) as connection:
                connection.send(request_bytes("POST", "/v1/chat/completions", [("Authorization", "Bearer token-one-0123456789")], chat()))
                self.assertEqual(connection.read_response().status, 401)
        finally:
            daemon.stop()
            origin.stop()

    def test_a_model_list_that_is_being_fetched_survives_a_reload_with_another_key(self):
        release = threading.Event()

        def slow(peer):
            release.wait(20)
            peer.answer(body=b'{"object":"list","data":[{"id":"late"}]}')
        first = Origin(answering(lambda peer: peer.answer(body=b'{"object":"list","data":[{"id":"early"}]}')))
        second = Origin(answering(slow))
        daemon = Daemon(config_for(first.base_url, second.base_url))
        try:
            answers = []
            asking = threading.Thread(target=lambda: answers.append(http(daemon.address, "GET", "/v1/models")))
            asking.start()
            second.wait_seen(1)
            daemon.write("key", "sk-another-0123456789")
            reload(daemon)
            release.set()
            asking.join(20)
            ids = [model["id"] for model in answers[0].json["data"]]
            self.assertEqual(ids, ["early", "two/late"])
        finally:
            daemon.stop()
            first.stop()
            second.stop()

    def test_pool_idle_off_keeps_connections(self):
        origin = Origin(answering(lambda peer: peer.answer()))
        daemon = Daemon(config_for(origin.base_url, upstream_extra="timeouts: {pool_idle: off}"))
        try:
            for _ in range(3):
                self.assertEqual(http(daemon.address, "POST", "/v1/chat/completions", body=chat()).status, 200)
            self.assertEqual(origin.connections, 1)
        finally:
            daemon.stop()
            origin.stop()

    def test_a_model_list_that_hangs_delays_a_named_upstream_once_and_not_for_long(self):
        dead = Origin(lambda peer, origin: threading.Event().wait(20))
        alive = Origin(answering(lambda peer: peer.answer()))
        daemon = Daemon(config_for(dead.base_url, alive.base_url, extra="timeouts: {first_byte: 300ms}"))
        try:
            for _ in range(3):
                self.assertEqual(http(daemon.address, "POST", "/v1/chat/completions", body=chat("two/m")).status, 200)
            self.assertEqual(dead.connections, 1)
        finally:
            daemon.stop()
            dead.stop()
            alive.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
