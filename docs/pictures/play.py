"""Makes docs/images/game.png and docs/images/live_game.png: hocket/Blocks-v0 played in real time by two workers.

python docs/pictures/play.py      needs the extras gameboy and live, selenium, Chromium and its driver

The player is the scripted expert, which is given 28 to 36 ms for each frame's decision, about two frames. The first
picture is the game's screen at three moments, magnified twice; the second is the live page after 20 seconds.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from threading import Thread
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image
from selenium import webdriver

import hocket
from hocket.envs import make_env
from hocket.experiments.blocks_demonstrations import expert_policy

IMAGES = Path(__file__).parents[1] / "images"
HZ, TICKS = "59.7275", 1400
MOMENTS = (300, 700, 1150)
SCALE, GAP = 2, 12


class Filmed(gym.Wrapper[Any, Any, Any, Any]):
    """Keeps the screen at `MOMENTS`."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.ticks, self.screens = 0, []

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self.ticks += 1
        if self.ticks in MOMENTS:
            self.screens.append(np.asarray(self.env.render()).repeat(SCALE, 0).repeat(SCALE, 1))
        return self.env.step(action)


def browser() -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking"):
        options.add_argument(f"--{flag}")
    options.add_argument("--window-size=1440,1080")
    options.add_argument(f"--user-data-dir={tempfile.mkdtemp()}")
    service = webdriver.ChromeService(shutil.which("chromedriver"), env={**os.environ, "no_proxy": "*"})
    return webdriver.Chrome(options=options, service=service)


def save(picture: Image.Image, name: str) -> None:
    picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(IMAGES / name, optimize=True)


def main() -> None:
    env = Filmed(make_env("hocket/Blocks-v0", render_mode="rgb_array"))
    decide, rng = expert_policy(env), np.random.default_rng(0)

    def policy(observation: Any) -> int:
        time.sleep(rng.uniform(0.028, 0.036))
        return decide(observation)

    clock, rule = hocket.Realtime(hz=HZ, executor="threads"), hocket.TickDispatch(workers=2)
    with hocket.LivePage(0) as page:
        window = browser()
        window.get(page.url)
        run = Thread(target=lambda: hocket.run(env, policy, rule, clock, ticks=TICKS, instruments=[page]))
        run.start()
        time.sleep(20)
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            window.save_screenshot(file.name)
            save(Image.open(file.name), "live_game.png")
        run.join()
        window.quit()
    gap = np.full((env.screens[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [part for screen in env.screens for part in (screen, gap)][:-1]
    save(Image.fromarray(np.concatenate(parts, axis=1)), "game.png")


if __name__ == "__main__":
    main()
