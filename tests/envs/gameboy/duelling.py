"""Hocket Duel button by button, with direct access to memory: addresses as FACTS and roms/duel/memory.h have them."""

import gymnasium as gym

import hocket  # noqa: F401 (registers the environments)

A, B, LEFT, UP, RIGHT, DOWN, NONE = range(7)
WAITS_FOR, CURSOR, MAP, TRAPS, IN_BATTLE = 0xCC24, 0xCC26, 0xD35E, 0xD31F, 0xD057
TITLE, TEXT, BATTLE_MENU, MOVES, PARTY_MENU, MUST_CHOOSE = range(1, 7)
TAP, BLARE, PLUCK, CRASH, BURST = 1, 2, 6, 8, 9
PARTY, ENEMIES, SLOT = 0xD16B, 0xD8A4, 0x2C
HP, STATUS, TYPE, CATCH_RATE, FIRST_MOVE, USES = 1, 4, 5, 7, 8, 29
LEVEL, MAX_HP, ATTACK, DEFENSE, SPEED = 33, 34, 36, 38, 40
WIDE = {HP, MAX_HP, ATTACK, DEFENSE, SPEED}


class Duelling:
    """An environment of the game at a turn's beginning, and the rewards since."""

    def __init__(self, id, *, seed=0, **options):
        self.env = gym.make(id)
        self.again(seed=seed, options=options)

    def again(self, **options):
        """Begins another episode; returns its info."""
        _, info = self.env.reset(**options)
        self.rewards, self.over = [], False
        self.until(BATTLE_MENU)
        return info

    def byte(self, address):
        return self.env.unwrapped.read(address, 1)[0]

    def put(self, address, *values):
        self.env.unwrapped.write(address, bytes(values))

    def get(self, party, slot, field):
        """A field of the monster in ``slot`` (from 0)."""
        size = 2 if field in WIDE else 1
        return int.from_bytes(self.env.unwrapped.read(party + SLOT * slot + field, size), "big")

    def set(self, party, slot, field, value):
        self.put(party + SLOT * slot + field, *value.to_bytes(2 if field in WIDE else 1, "big"))

    def take_over(self):
        """Makes the current memory the beginning of the episode."""
        env = self.env.unwrapped
        env.restore_state({**env.clone_state(), "state": env.game.start(env.read)})

    def step(self, action=NONE):
        _, reward, terminated, _, _ = self.env.step(action)
        if not self.over:
            self.rewards.append(reward)
        self.over = self.over or terminated

    def press(self, *actions):
        for action in actions:
            self.step(action)
            self.step()

    def step_while(self, holds, frames=500):
        for _ in range(frames):
            if not holds():
                return
            self.step()
        raise AssertionError(f"still so after {frames} frames")

    def until(self, *kinds, frames=2000):
        """Press A through texts until input of one of ``kinds`` is waited for."""
        for _ in range(frames):
            waits = self.byte(WAITS_FOR)
            if waits in kinds:
                return waits
            self.press(A if waits == TEXT else NONE)
        raise AssertionError(f"waits for {waits}, in battle {self.byte(IN_BATTLE):02X}")

    def until_memory(self, address, value, frames=2000):
        """Press A through texts until ``address`` holds ``value``."""
        for _ in range(frames):
            if self.byte(address) == value:
                return
            self.press(A if self.byte(WAITS_FOR) == TEXT else NONE)
        raise AssertionError(f"{address:04X} holds {self.byte(address):02X}")

    def fight(self):
        """The first move."""
        self.press(A)
        self.until(MOVES)
        self.press(A)

    def trap(self):
        self.press(RIGHT, A)

    def switch(self, slot):
        self.press(DOWN, A)
        self.until(PARTY_MENU)
        self.press(*[DOWN] * slot, A)

    def run(self):
        self.press(DOWN, RIGHT, A)

    def only_move(self, party, slot, move):
        """The monster knows this move only."""
        self.put(party + SLOT * slot + FIRST_MOVE, *[move] * 4)
        self.put(party + SLOT * slot + USES, *[9] * 4)

    def mine_is_first(self, first=True):
        self.set(PARTY, 0, SPEED, 200 if first else 1)
        self.set(ENEMIES, 0, SPEED, 1 if first else 200)

    @property
    def counted(self):
        """All rewards other than 0, in order."""
        return [reward for reward in self.rewards if reward]
