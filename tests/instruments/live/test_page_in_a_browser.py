"""The page in Chromium, during a run."""

import base64
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from leftover_processes import eventually
from painted import Painted
from viewers import beside

import hocket

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,960",
]

selenium = pytest.importorskip("selenium", reason="selenium is not installed (it is in the extra dev)")
pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium or chromedriver is missing (apt-get install both)"),
]

HZ = 60


def policy(observation):
    time.sleep(0.03)
    return 1


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # The driver listens on this machine; a proxy of the user's is not to be asked about it.
    service = Service(DRIVER, env={**os.environ, "no_proxy": "*", "NO_PROXY": "*"})
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_page_load_timeout(30)
    yield driver
    driver.quit()


PIXELS = """
const c = document.getElementById(arguments[0]);
const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
let text = '';
for (let at = 0; at < data.length; at += 32768) text += String.fromCharCode(...data.subarray(at, at + 32768));
return [c.width, c.height, btoa(text)];
"""
"""Millions of bytes: as text, not as a list of numbers."""


class Shown:
    """The contents of a page in the browser."""

    def __init__(self, browser):
        self.browser = browser

    def data(self, id, name):
        return self.browser.execute_script(f"return document.getElementById('{id}').dataset.{name}") or ""

    def text(self, id):
        return self.browser.execute_script(f"return document.getElementById('{id}').textContent")

    def number(self, id, name):
        value = self.data(id, name)
        return float(value) if value else float("nan")

    def press(self, id):
        self.browser.execute_script(f"document.getElementById('{id}').click()")

    def pixels(self, id):
        """Of a canvas: red, green, blue, alpha by pixel."""
        width, height, content = self.browser.execute_script(PIXELS, id)
        return np.frombuffer(base64.b64decode(content), np.uint8).reshape(height, width, 4)

    def lanes_rest(self):
        before = self.pixels("lanes")
        time.sleep(0.3)
        return (self.pixels("lanes") == before).all()

    def moment(self):
        return self.number("lanes", "moment")

    def state(self):
        return self.data("status", "state")

    def tick(self):
        return self.number("picture", "tick")


@pytest.fixture
def shown(browser):
    """A new browser; its log must be empty afterwards."""
    browser.get("about:blank")
    browser.get_log("browser")
    yield Shown(browser)
    first, *others = browser.window_handles
    for other in others:
        browser.switch_to.window(other)
        browser.close()
    browser.switch_to.window(first)
    browser.get("about:blank")


def complaints(browser):
    """Errors and warnings of the page; reading canvases back is the test's own doing."""
    entries = browser.get_log("browser")
    return [e for e in entries if e["level"] in ("SEVERE", "WARNING") and "readback" not in e["message"]]


def play(page, seconds, workers=2, env=None):
    clock = hocket.Realtime(hz=HZ, executor="threads")
    rule = hocket.TickDispatch(workers)
    return hocket.run(env or Painted(), policy, rule, clock, ticks=round(seconds * HZ), instruments=[page])


def interrupted(call):
    with pytest.raises(hocket.RunInterrupted) as caught:
        call()
    return caught.value.result


class Enough(Painted):
    """Until it is closed: a busy machine may take long to see enough."""

    seen = False

    def close(self):
        self.seen = True

    def step(self, action):
        if self.seen:
            raise KeyboardInterrupt
        return super().step(action)


def test_a_run_in_the_browser(browser, shown):
    with hocket.LivePage(0) as page, Enough() as env:
        browser.get(page.url)
        assert eventually(lambda: shown.state() == "idle")
        ended = beside(lambda: interrupted(lambda: play(page, 100, env=env)))
        assert eventually(lambda: shown.state() == "live" and shown.tick() > 0 and shown.number("lanes", "bars") > 10)
        assert shown.text("name") == "Enough" and "TickDispatch, 2 workers" in shown.text("about")

        # Header and picture show the same tick in every frame, unless no picture came for half a second.
        both = "return [document.getElementById('ticks').textContent, document.getElementById('picture').dataset.tick]"
        for _ in range(10):
            header, picture = browser.execute_script(both)
            behind = int(header.split()[1].replace(",", "")) - int(picture)
            assert behind == 0 or behind >= HZ / 2, (header, picture)

        # The picture changes, and is the environment's: orange on black. Lanes move.
        before = shown.tick(), shown.moment(), shown.pixels("picture"), shown.pixels("lanes")
        orange = (before[2] == (255, 128, 0, 255)).all(axis=2)
        assert orange.any() and (before[2][:, :, :3].any(axis=2) & (before[2][:, :, 3] == 255)).sum() == orange.sum()
        assert eventually(lambda: shown.tick() > before[0] + 10 and shown.moment() > before[1] + 0.2)
        assert eventually(lambda: (shown.pixels("picture") != before[2]).any())
        assert (shown.pixels("lanes") != before[3]).any()

        # Pause holds the lanes and the picture; the figures still change.
        seen = shown.tick()
        assert eventually(lambda: shown.moment() * HZ > seen + 4)
        shown.press("pause")
        assert eventually(lambda: shown.state() == "paused")
        assert eventually(shown.lanes_rest)  # the inferences of that moment have ended, and the page has heard of it
        moment, lanes, coverage = shown.moment(), shown.pixels("lanes"), shown.text("ticks")
        time.sleep(0.6)
        assert shown.moment() == moment and (shown.pixels("lanes") == lanes).all()
        assert eventually(lambda: shown.text("ticks") != coverage)
        for _ in range(3):
            shown.press("back")
        assert eventually(lambda: moment - 3.01 / HZ <= shown.moment() <= moment - 1.99 / HZ)
        # However few pictures a busy machine takes: no later one than the moment's. The page keeps six a second, so the
        # picture seen before may be gone; one of the sixth of a second before it is there.
        assert eventually(lambda: seen - HZ / 6 < shown.tick() <= shown.moment() * HZ)
        shown.press("forth")
        assert eventually(lambda: shown.moment() > moment - 2.01 / HZ)
        browser.execute_script(
            "const m = document.getElementById('moment'); m.value = -1.5; m.dispatchEvent(new Event('input'))"
        )
        assert eventually(lambda: shown.moment() <= moment + 30 and shown.text("ago").startswith("−"))
        shown.press("pause")
        assert eventually(lambda: shown.state() == "live" and shown.moment() > moment)

        # Zoom.
        window = shown.text("window")
        shown.press("closer")
        assert eventually(lambda: shown.text("window") != window)

        # A reload shows the current state of the run, with its past.
        tick = shown.tick()
        browser.refresh()
        assert eventually(
            lambda: shown.state() == "live" and shown.tick() > tick and shown.number("lanes", "bars") > 10
        )

        # A second viewer.
        first = browser.current_window_handle
        browser.switch_to.new_window("window")
        browser.get(page.url)
        assert eventually(lambda: shown.state() == "live" and shown.tick() > tick)
        moment = shown.moment()
        assert eventually(lambda: shown.moment() > moment)
        browser.close()
        browser.switch_to.window(first)

        # At the end the gauges show the figures of the summary.
        env.close()
        summary = ended().summary()
        assert eventually(lambda: shown.state() == "ended")
        time.sleep(0.5)
        assert (shown.text("ago"), shown.text("pause")) == ("end", "Pause")
        assert browser.execute_script("return document.getElementById('pause').disabled"), "nothing moves any more"
        header, picture = browser.execute_script(both)
        assert header.startswith(f"tick {int(picture):,} of ") and int(picture) == summary.ticks
        shown.press("back")
        assert eventually(lambda: shown.text("pause") == "Go to the end")
        shown.press("pause")
        assert eventually(lambda: shown.text("ago") == "end")
        for gauge, value in {
            "coverage": summary.coverage,
            "delay": summary.delay_mean,
            "lateness": summary.lateness_p99_s,
            "return": summary.return_mean,
            "reward": summary.reward_total,
        }.items():
            assert shown.number(f"gauge-{gauge}", "value") == pytest.approx(value, rel=0.01), gauge
        for outcome, count in summary.outcomes.items():
            assert shown.number("legend", outcome) == count
        assert complaints(browser) == []


class Slow(hocket.PolicyFactory):
    """Takes a while to build."""

    def build(self):
        time.sleep(1.5)
        return policy


VISIBLE = "return getComputedStyle(document.getElementById('gauges')).visibility"


def test_before_the_workers_are_ready_no_figures_are_shown(browser, shown):
    with hocket.LivePage(0) as page:
        browser.get(page.url)
        assert eventually(lambda: shown.text("waiting") == "waiting for a run")
        clock = hocket.Realtime(hz=HZ, executor="threads")
        rule = hocket.TickDispatch(3)
        ended = beside(lambda: hocket.run(Painted(), Slow(), rule, clock, ticks=120, instruments=[page]))
        assert eventually(lambda: shown.state() == "starting")
        assert shown.text("waiting") == shown.text("status") == "starting 3 workers"
        assert browser.execute_script(VISIBLE) == "hidden" and shown.text("ticks") == ""
        assert eventually(lambda: shown.state() == "live" and browser.execute_script(VISIBLE) == "visible")
        ended()


KILLED = """
import sys, time
sys.path.insert(0, sys.argv[1])
from painted import Painted
import hocket

def policy(observation):
    time.sleep(0.01)
    return 1

if __name__ == "__main__":
    with hocket.LivePage(0) as page:
        print(page.url, flush=True)
        sys.stdin.readline()
        clock = hocket.Realtime(hz=60, executor="threads")
        hocket.run(Painted(), policy, hocket.TickDispatch(2), clock, ticks=100_000, instruments=[page])
"""


def test_a_run_that_is_killed_is_lost_at_its_last_tick(browser, shown, tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        browser.get(process.stdout.readline().strip())
        process.stdin.write("\n")
        process.stdin.flush()
        assert eventually(lambda: shown.state() == "live" and shown.tick() > 20)
        process.kill()
        assert eventually(lambda: shown.state() == "lost")
        tick = browser.execute_script("return Number(document.getElementById('picture').dataset.tick)")
        said = shown.text("status")
        assert said.startswith("run lost at tick ")
        assert tick <= int(said.rpartition(" ")[2].replace(",", "")) <= tick + 60
        assert shown.text("ago") == "end" and "Trying again" in browser.execute_script(
            "return document.getElementById('status').title"
        )


class GameBoyLike(Painted):
    """A picture of a Game Boy's size, whose columns are by turns black and white."""

    def render(self):
        columns = np.arange(160) % 2 * 255
        return np.repeat(np.broadcast_to(columns, (144, 160))[..., None], 3, axis=2).astype(np.uint8)


def test_pictures_are_magnified_by_whole_numbers(browser, shown):
    with hocket.LivePage(0) as page:
        browser.get(page.url)
        ended = beside(lambda: play(page, 4, env=GameBoyLike()))
        assert eventually(lambda: shown.data("picture", "scale") == "2")
        pixels = shown.pixels("picture")
        row = pixels[pixels.shape[0] // 2]
        shown_columns = row[row[:, 3] == 255][:, 0].tolist()
        assert shown_columns == [0, 0, 255, 255] * 80, "each column twice, none blurred"
        ended()


class Unrewarded(Painted):
    """Pays nothing."""

    def step(self, action):
        observation, _, *rest = super().step(action)
        return observation, 0.0, *rest


def test_a_run_without_rewards_has_no_strip_for_them(browser, shown):
    virtual = hocket.Virtual(hz=50, latency=hocket.Constant(0.03))
    with hocket.LivePage(0) as page:
        browser.get(page.url)
        for env, strips in ((Unrewarded(), "delay"), (Painted(), "delay reward")):
            hocket.run(env, lambda _: 1, hocket.Unstaggered(2), virtual, ticks=200, instruments=[page])
            assert eventually(lambda strips=strips: shown.data("lanes", "strips") == strips)


def test_many_workers_and_a_virtual_run(browser, shown):
    with hocket.LivePage(0) as page:
        browser.get(page.url)
        ended = beside(lambda: play(page, 2, workers=72))
        assert eventually(lambda: "72 workers" in shown.text("about"))
        ended()
        virtual = hocket.Virtual(hz=50, latency=hocket.LogNormal(0.1, 0.3))
        result = hocket.run(Painted(), policy, hocket.MaxTime(5), virtual, ticks=300, instruments=[page])
        assert eventually(lambda: shown.state() == "ended" and "virtual" in shown.text("about"))
        assert eventually(lambda: shown.number("gauge-coverage", "value") > 0)
        assert shown.number("gauge-coverage", "value") == pytest.approx(result.summary().coverage, rel=0.01)
        hidden = "return document.getElementById('gauge-lateness').hidden"
        assert browser.execute_script(hidden), "virtual time is never late"
        assert browser.execute_script(hidden.replace("lateness", "jump")), "single actions have no seams"
        chunks = hocket.FunctionPolicy(lambda observation: np.tile(observation[:1], (8, 1)), chunk_length=8)
        options = {"ticks": 300, "handover": hocket.drivers.Switch(jump_bound=0.1), "instruments": [page]}
        clock = hocket.Virtual(hz=50, latency=hocket.Constant(0.05))
        seams = hocket.run(gym.make("Pendulum-v1"), chunks, hocket.Unstaggered(1), clock, **options).summary().seams
        assert eventually(lambda: f"{seams['above'] * 100:.1f} % above 0.1" in shown.text("gauge-jump"))
        assert shown.number("gauge-jump", "value") == pytest.approx(seams["jump_p99"], rel=0.1)
        assert complaints(browser) == []


class Training(hocket.Instrument):
    """Tells the page of a training that is not one."""

    def __init__(self, page):
        self.page = page

    def on_tick(self, moment):
        if moment.tick % 20 == 0:
            learner = hocket.hooks.instrument.LearnerFigures(moment.tick // 4, 0.5, 1.25, 0.1)
            self.page.on_training(
                hocket.instruments.Progress(
                    tick=moment.tick,
                    coverage=1.0,
                    delay_ticks=1.0,
                    episodes=1,
                    episode_return=1.0,
                    updates_per_s=float(moment.tick),
                    learner=learner,
                )
            )
            self.page.on_evaluation(moment.tick, 12.5)


def test_a_training(browser, shown):
    with hocket.LivePage(0) as page:
        browser.get(page.url)
        virtual = hocket.Virtual(hz=50, latency=hocket.Constant(0.03))
        instruments = [page, Training(page)]
        hocket.run(Painted(), lambda _: 1, hocket.Unstaggered(2), virtual, ticks=200, instruments=instruments)
        figures = {"updates": 200.0, "loss": 0.5, "staleness": 1.25, "evaluation": 12.5}
        for gauge, value in figures.items():
            assert eventually(lambda gauge=gauge, value=value: shown.number(f"gauge-{gauge}", "value") == value), gauge
        assert "50 so far" in shown.text("gauge-updates")
