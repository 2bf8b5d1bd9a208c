"""Connections with TLS; those without are under all other tests."""

import shutil
import ssl
import subprocess
from threading import Thread

import numpy as np
import pytest
from websockets.sync.server import serve

from hocket.remote import Msgpack, UnreachableError

NO_OPENSSL = shutil.which("openssl") is None


@pytest.fixture
def certificate(tmp_path):
    """A certificate of this machine, which nobody has signed, and its key."""
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return files


@pytest.mark.skipif(NO_OPENSSL, reason="makes its certificate with openssl")
def test_a_server_with_tls(certificate, asking, monkeypatch):
    wire = Msgpack()

    def converse(connection):
        connection.send(wire.pack({}))
        for message in connection:
            connection.send(wire.pack({"actions": wire.unpack(message)["observation"]}))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
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
