"""Connections with TLS; those of all other tests have none."""

import shutil
import ssl
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from websockets.sync.server import serve

from hocket.remote import HTTPPolicy, Msgpack, UnreachableError


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate of this machine, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("it is made by openssl")
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return files


@pytest.fixture
def context(certificate):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*certificate)
    return made


def test_a_websocket_server_with_tls(certificate, context, asking, monkeypatch):
    wire = Msgpack()

    def converse(connection):
        connection.send(wire.pack({}))
        for message in connection:
            connection.send(wire.pack({"actions": wire.unpack(message)["observation"]}))

    with serve(converse, "127.0.0.1", 0, ssl=context, compression=None, close_timeout=0.1) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        address = "wss://{}:{}".format(*server.socket.getsockname())
        with pytest.raises(UnreachableError, match="certificate verify failed"):
            asking(address)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        observation = np.arange(300_000, dtype=np.uint8)  # several records
        assert np.array_equal(asking(address)(observation), observation)
        server.shutdown()
        thread.join()


def test_an_http_server_with_tls(certificate, context, monkeypatch):
    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).replace(b"observation", b"actions")
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        ask = HTTPPolicy(f"https://127.0.0.1:{server.server_port}/act").build()
        assert [ask(np.arange(3)) for _ in range(2)] == [[0, 1, 2]] * 2
        del ask
        server.shutdown()
        thread.join()
