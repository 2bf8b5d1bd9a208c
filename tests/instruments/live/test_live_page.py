"""The page's process, its viewers, and faults of either. The run continues."""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from leftover_processes import alive, eventually, named_memory
from painted import Painted
from viewers import ASK, beside, look_at, stream_of, take_apart, watching
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import hocket
from hocket.errors import ConfigurationError, MissingExtraError
from hocket.instruments.live.board import ENDED
from hocket.ipc.signals import GROUP_SIGNALS

pytestmark = pytest.mark.realtime

HZ = 60


def policy(observation):
    time.sleep(0.02)
    return 1


def play(page, ticks=90, *, clock=None, env=None, rule=None):
    clock = clock or hocket.Realtime(hz=HZ, executor="threads")
    return hocket.run(env or Painted(), policy, rule or hocket.TickDispatch(3), clock, ticks=ticks, instruments=[page])


@pytest.fixture(scope="module")
def page():
    with hocket.LivePage(0) as page:
        yield page


@pytest.mark.alone
def test_a_viewer_sees_the_whole_run_and_its_figures(page):
    with watching(page) as viewer:
        result = play(page)
        assert eventually(lambda: viewer.frames and viewer.frames[-1][0]["phase"] == "ended")
        time.sleep(0.1)
    record, metrics, summary = result.record, result.metrics(), result.summary()
    about = next(header["about"] for header, _ in viewer.frames if header.get("about"))
    assert (about["name"], about["rule"], about["workers"]) == ("Painted", "TickDispatch", 3)
    assert (about["hz"], about["ticks"], about["realtime"], about["picture"]) == (HZ, 90, True, "")
    assert viewer.rows("ticks", "tick").tolist() == list(record.ticks)
    assert viewer.rows("ticks", "delay_ticks").tolist() == metrics.ticks.delay_ticks.tolist()
    assert viewer.rows("ticks", "inference").tolist() == metrics.ticks.inference.tolist()
    assert viewer.rows("ticks", "reward").tolist() == list(record.rewards)
    assert viewer.rows("ticks", "lateness_s") == pytest.approx(np.array(record.lateness_ns) / 1e9)
    numbers, inferences = viewer.rows("inferences", "number"), metrics.inferences
    last = {int(number): row for row, number in enumerate(numbers)}
    assert sorted(last) == list(range(len(inferences.worker)))
    rows = [last[number] for number in sorted(last)]
    epoch_ns = record.trace.cadence.epoch_ns
    for column in ("worker", "observation", "target", "executed_tick", "outcome"):
        assert viewer.rows("inferences", column)[rows].tolist() == getattr(inferences, column).tolist(), column
    started_s = viewer.rows("inferences", "started_s")[rows]
    assert started_s == pytest.approx((inferences.started_ns - epoch_ns) / 1e9)
    pictures = [sections["picture"] for _, sections in viewer.frames if "picture" in sections]
    assert len({picture["tick"] for picture in pictures}) > 10
    assert all(picture["rendered"] and picture["kind"] == "rgb" for picture in pictures)
    totals = viewer.frames[-1][0]["totals"]
    assert (totals["tick"], totals["missed"], totals["outcomes"]) == (90, 0, summary.outcomes)
    for name in ("coverage", "delay_mean", "return_mean", "reward_total", "episodes"):
        assert totals[name] == pytest.approx(getattr(summary, name), rel=1e-9), name
    for name in ("lateness_p50_s", "lateness_p99_s"):
        assert totals[name] == pytest.approx(getattr(summary, name), rel=0.01), name


def test_the_start_of_workers_is_a_phase_before_the_first_tick(page):
    class Slow(hocket.PolicyFactory):
        def build(self):
            time.sleep(0.6)
            return policy

    clock = hocket.Realtime(hz=HZ, executor="threads")
    with watching(page) as viewer:
        hocket.run(Painted(), Slow(), hocket.TickDispatch(3), clock, ticks=10, instruments=[page])
        assert eventually(lambda: viewer.frames[-1][0]["phase"] == "ended")
    starting = [header for header, _ in viewer.frames if header["phase"] == "starting"]
    assert starting and next(header["about"] for header in starting if header.get("about"))["workers"] == 3
    assert all((header["totals"]["tick"], header["totals"]["coverage"]) == (0, None) for header in starting)
    phases = [header["phase"] for header, _ in viewer.frames]
    assert phases.index("starting") < phases.index("running") or "running" not in phases


def test_the_last_picture_is_of_the_last_tick(page):
    with watching(page) as viewer:
        play(page, ticks=37)
        assert eventually(lambda: "picture" in viewer.frames[-1][1] or viewer.frames[-1][0]["phase"] == "ended")
        time.sleep(0.2)
    assert [sections["picture"]["tick"] for _, sections in viewer.frames if "picture" in sections][-1] == 37


def test_a_virtual_run_and_one_after_another(page):
    virtual = hocket.Virtual(hz=HZ, latency=hocket.Constant(0.05))
    with watching(page) as viewer:
        for ticks in (200, 300):
            hocket.run(Painted(), lambda _: 1, hocket.Unstaggered(2), virtual, ticks=ticks, instruments=[page])
            eventually(lambda ticks=ticks: viewer.frames[-1][0]["totals"]["tick"] == ticks)
            time.sleep(0.05)
    begun = [header["about"] for header, _ in viewer.frames if header.get("about")]
    assert [about["ticks"] for about in begun][-2:] == [200, 300] and not any(about["realtime"] for about in begun[-2:])
    header = viewer.frames[-1][0]
    assert (header["phase"], header["totals"]["tick"]) == ("ended", 300)


def test_one_that_comes_in_the_middle_sees_what_has_been(page):
    ended = beside(lambda: play(page, ticks=120))
    time.sleep(1.0)
    with look_at(page) as late:
        late.send(ASK)
        header, sections = take_apart(late.recv())
    assert header["phase"] == "running" and header["totals"]["tick"] > 20
    assert sections["ticks"]["tick"].tolist() == list(range(1, int(sections["ticks"]["tick"][-1]) + 1))
    ended()


# -- viewers that behave badly ---------------------------------------------------------------------------------


def resident_kb(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


class Large(Painted):
    """Half a megabyte a picture."""

    def render(self):
        return np.full((400, 420, 3), self._ticks % 256, np.uint8)


@pytest.mark.parametrize("asks", [1, 300])
def test_a_viewer_that_never_reads_makes_nothing_grow(page, asks):
    """Nor does one that keeps asking without reading; others are served meanwhile."""
    pid, stream = page._process.pid, urlsplit(stream_of(page))
    with socket.create_connection((stream.hostname, stream.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(
            f"GET {stream.path}?{stream.query} HTTP/1.1\r\nHost: {stream.netloc}\r\nUpgrade: websocket\r\n".encode()
            + b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert b" 101 " in deaf.recv(64)
        for _ in range(asks):
            deaf.sendall(b"\x82\x81\0\0\0\0\1")  # one masked byte
        with watching(page) as viewer:
            ended = beside(lambda: play(page, ticks=240, env=Large()))
            time.sleep(1.0)
            before_kb = resident_kb(pid)
            result = ended()
            grown_kb = resident_kb(pid) - before_kb
    assert result.summary().ticks == 240
    assert viewer.bytes > 4e6, "the other one has seen pictures"
    assert grown_kb * 1000 < max(2e6, viewer.bytes / 2)


def test_a_viewer_that_is_killed_is_forgotten(page):
    ended = beside(lambda: play(page, ticks=120))
    with look_at(page) as killed:
        killed.send(ASK)
        killed.recv()
        killed.socket.shutdown(socket.SHUT_RDWR)
    with watching(page) as viewer:
        assert ended().summary().ticks == 120
        assert eventually(lambda: viewer.frames and viewer.frames[-1][0]["phase"] == "ended")


def test_a_viewer_that_sends_too_much_is_disconnected(page):
    with look_at(page) as loud:
        loud.send(b"x" * 5000)
        with pytest.raises(Exception, match=r"1009|too big|closed|sent"):
            while True:
                loud.recv(timeout=5)
    with look_at(page) as other:
        other.send(ASK)
        assert take_apart(other.recv())


def test_a_viewer_that_sends_text_is_disconnected(page, capfd):
    with look_at(page) as talking:
        talking.send("next")
        with pytest.raises(ConnectionClosed) as closed:
            talking.recv(timeout=10)
    assert closed.value.rcvd.code == 1003
    assert "Traceback" not in capfd.readouterr().err


# -- access ----------------------------------------------------------------------------------------------------


def answer(url, **headers):
    request = urllib.request.Request(url, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_page_and_its_files(page):
    status, content = answer(page.url)
    assert status == 200 and b"page.js" in content
    place = page.url.partition("?")[0]
    for name in ("page.js", "page.css", "icon.svg", "stream.js"):
        assert answer(place + name)[0] == 200
    for name in ("nothing.js", "..%2fserver.py", "__init__.py"):
        assert answer(place + name)[0] == 404
    assert b"http" not in content.replace(b"http://www.w3.org", b""), "nothing is asked of any network"


def test_other_pages_in_the_same_browser_are_refused(page):
    for origin in ("http://evil.example", "http://[", "http://[::1", "null", ""):
        with pytest.raises(InvalidStatus) as refused, look_at(page, additional_headers={"Origin": origin}):
            pass
        assert refused.value.response.status_code == 403, origin
        assert answer(page.url, Origin=origin)[0] == 403, origin
    own = page.url.partition("/?")[0]
    assert answer(page.url, Origin=own)[0] == 200
    with look_at(page, additional_headers={"Origin": own}):
        pass


def test_a_malformed_origin_prints_nothing(page, capfd):
    host, _, port = page.url.partition("//")[2].partition("/")[0].partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: [\r\nOrigin: http://[\r\nConnection: close\r\n\r\n")
        assert b" 403 " in connection.recv(4096)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "localhost"])
def test_every_address_needs_the_token_and_the_printed_one_has_it(host):
    with hocket.LivePage(0, host=host) as page:
        url = page.url.replace(socket.gethostname(), "127.0.0.1") if host == "0.0.0.0" else page.url
        place, _, token = url.partition("?")
        assert token.startswith("token=") and len(token) > 20
        for wrong in ("", "?token=", "?token=wrong", "?token=%C3%BC", "?token=%ED%A0%80"):
            assert answer(place + wrong)[0] == 403, wrong
        assert answer(url)[0] == 200
        stream = place.replace("http", "ws") + "frames"
        with pytest.raises(InvalidStatus), connect(stream, proxy=None):
            pass
        with connect(f"{stream}?{token}", proxy=None):
            pass
    assert hocket.LivePage(0, host="::1").url.startswith("http://[::1]:0/?token=")


# -- refusals --------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken(page):
    with pytest.raises(ConfigurationError, match=rf"cannot use port {page._port} on 127\.0\.0\.1.*--live-port 0"):
        hocket.LivePage(page._port).open()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"port": 70_000}, "port=70000 must be"),
        ({"port": True}, "port=True must be"),
        ({"host": "here"}, "host='here' is no address"),
        ({"nice": 20}, "nice=20 must be"),
    ],
)
def test_invalid_options_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        hocket.LivePage(**options)


def test_a_foreign_address_is_refused():
    with pytest.raises(ConfigurationError, match=r"on 203\.0\.113\.7"):
        hocket.LivePage(0, host="203.0.113.7").open()


def test_without_the_extra(monkeypatch):
    from hocket.instruments.live import live_page

    monkeypatch.setattr(live_page, "find_spec", lambda name: None if name == "uvicorn" else name)
    with pytest.raises(MissingExtraError, match=r"hocket\[live\]"):
        hocket.LivePage(0)


def test_a_closed_page_is_not_opened_again():
    page = hocket.LivePage(0)
    page.close()
    page.close()
    with pytest.raises(ConfigurationError, match="closed"):
        page.open()


def test_a_killed_server_is_reported_and_the_run_continues():
    class Killing(Painted):
        def step(self, action):
            if self._ticks == 20:
                os.kill(pid, signal.SIGKILL)
                assert eventually(lambda: not alive(pid), 60)  # a process of the lowest priority dies late
            return super().step(action)

    with hocket.LivePage(0) as page:
        pid = page._process.pid
        with pytest.warns(RuntimeWarning, match=r"(?s)LivePage.*the run continues.*ended with exit code -9") as warned:
            result = play(page, ticks=150, env=Killing(episode_ticks=1000))
        assert len(warned) == 1 and result.summary().ticks == 150


def test_a_page_closed_during_the_run_gets_no_more_events():
    class Closing(Painted):
        def step(self, action):
            if self._ticks == 20:
                page.close()
            return super().step(action)

    with hocket.LivePage(0) as page, pytest.warns(RuntimeWarning, match="the live page has been closed"):
        result = play(page, ticks=150, env=Closing(episode_ticks=1000))
    assert result.summary().ticks == 150


def test_nothing_is_left(tmp_path):
    """Neither a process nor a name in /dev/shm, whether it is closed or its process is killed."""
    before = named_memory()
    with hocket.LivePage(0) as page:
        pid = page._process.pid
        assert alive(pid) and not {name for name in named_memory(pid) if "hocket" in name}
        play(page, ticks=30)
        assert page._board.phase == ENDED
    assert not alive(pid) and named_memory() <= before


@pytest.mark.parametrize("number", GROUP_SIGNALS)
def test_signals_to_the_process_group_do_not_end_it_while_it_starts(number):
    sent, before, give_up = [], set(multiprocessing.active_children()), time.monotonic() + 30

    def send():
        while not sent and time.monotonic() < give_up:
            for process in set(multiprocessing.active_children()) - before:
                os.kill(process.pid, number)
                sent.append(process.pid)

    thread = threading.Thread(target=send)
    thread.start()
    with hocket.LivePage(0) as page:
        thread.join()
        assert sent == [page._process.pid] and alive(page._process.pid)


def test_a_script_without_the_main_guard(tmp_path):
    import subprocess

    script = tmp_path / "script.py"
    script.write_text("import hocket\nwith hocket.LivePage(0) as page:\n    pass\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "guard it with: if __name__ == '__main__':" in done.stderr


def test_the_page_ends_with_its_run(tmp_path):
    import subprocess

    script = tmp_path / "script.py"
    script.write_text(
        "import hocket, time\nif __name__ == '__main__':\n"
        "    page = hocket.LivePage(0)\n    page.open()\n    print(page._process.pid, flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    assert alive(pid)
    process.kill()
    process.communicate()
    assert eventually(lambda: not alive(pid), 8.0)


def test_the_address_to_connect_to(page):
    assert stream_of(page) == f"ws://127.0.0.1:{page._port}/frames?{page.url.partition('?')[2]}"
