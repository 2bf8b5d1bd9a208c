"""Makes docs/images/report.png and live_72_workers.png: a report, and a live page.

python docs/pictures/pages.py     needs the extras atari and live, selenium, Chromium and its driver

The report is of CartPole at 60 Hz with two workers that wait 24 to 29 ms; the live page is of Boxing with 72 workers
that wait about a second, after 14 seconds; both in real time.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image
from play import browser, save
from selenium import webdriver

import hocket
from hocket.envs import make_env

HZ = 60


def waiting(low_s: float, high_s: float) -> Any:
    """A policy that takes so long."""
    rng = np.random.default_rng(0)

    def policy(observation: Any) -> int:
        time.sleep(rng.uniform(low_s, high_s))
        return int(observation.flat[2] > 0)

    return policy


def shot(window: webdriver.Chrome, name: str, box: tuple[int, int, int, int] | None = None) -> None:
    picture = Image.open(io.BytesIO(window.get_screenshot_as_png()))
    save(picture if box is None else picture.crop(box), name)


def report(window: webdriver.Chrome) -> None:
    clock = hocket.Realtime(hz=HZ, executor="threads")
    env = gym.make("CartPole-v1")
    result = hocket.run(env, waiting(0.024, 0.029), hocket.TickDispatch(2), clock, ticks=600)
    with tempfile.TemporaryDirectory() as folder:
        saved = result.save(Path(folder) / "two-workers")
        window.set_window_size(1040, 1200)
        window.get((saved / "report.html").as_uri())
        time.sleep(1)
        shot(window, "report.png", (0, 0, 1024, 970))


def live(window: webdriver.Chrome) -> None:
    env, clock = make_env("ALE/Boxing-v5", render_mode="rgb_array"), hocket.Realtime(hz=HZ, executor="threads")
    rng = np.random.default_rng(0)

    def policy(observation: Any) -> int:
        time.sleep(rng.lognormal(np.log(1.07), 0.15))
        return int(rng.integers(18))

    with hocket.LivePage(0) as page:
        window.set_window_size(1440, 1000)
        window.get(page.url)
        parts = {"ticks": 16 * HZ, "instruments": [page]}
        run = Thread(target=lambda: hocket.run(env, policy, hocket.TickDispatch(72), clock, **parts))
        run.start()
        time.sleep(15)  # a second or so of them for the threads' start
        shot(window, "live_72_workers.png")
        run.join()


def main() -> None:
    window = browser()
    for make in (report, live):
        if len(sys.argv) < 2 or make.__name__ in sys.argv[1:]:
            make(window)
    window.quit()


if __name__ == "__main__":
    main()
