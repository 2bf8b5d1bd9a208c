"""A language model that takes 0.3 s, 18 frames, plays Hocket Duel. A stand-in of three rules replaces it here."""

import gymnasium as gym
import numpy as np

import hocket
from hocket.envs.gameboy import duel_script as duel
from hocket.remote import ChatPolicy
from hocket.testing import ChatServer

BUTTONS = ["A", "B", "LEFT", "UP", "RIGHT", "DOWN", "NONE"]


class Told(gym.ObservationWrapper):
    """The menu that waits, the cursor, and the slot of the best move, from the game's memory."""

    observation_space = gym.spaces.Box(0, 255, (3,), np.uint8)

    def observation(self, picture):
        read = self.unwrapped.read
        return np.uint8([read(duel.WAITS_FOR, 1)[0], read(duel.CURSOR, 1)[0], duel.plan(read).slot])


def prompt(observation):
    waits, cursor, best = observation
    menu = {duel.TEXT: "a text", duel.BATTLE_MENU: "the battle menu", duel.MOVES_MENU: "moves"}.get(waits, "nothing")
    return f"The game shows {menu}, the cursor is on row {cursor}, row {best} is best. Answer with one of {BUTTONS}."


def model(text):  # yours is a server's, such as http://127.0.0.1:8080/v1/chat/completions
    cursor, best = (int(word) for word in text.replace(",", "").split() if word.isdigit())
    return "A" if "moves" not in text or cursor == best else "DOWN" if cursor < best else "UP"


if __name__ == "__main__":
    with ChatServer(model) as server:
        policy = ChatPolicy(server.address, model="stand-in", prompt=prompt, choices=BUTTONS)
        clock = hocket.Virtual(hz=60, latency=hocket.Constant(0.3))
        result = hocket.run(Told(gym.make("hocket/Duel-v0")), policy, hocket.TickDispatch(1), clock, ticks=1500)
    print(result.summary())
