"""Registers hocket's environments with Gymnasium by entry points; they are imported at first use."""

from __future__ import annotations

import gymnasium as gym

NULL_ID = "hocket/Null-v0"

BLOCKS_ID, DUEL_ID, CATCH_ID = OWN_IDS = ("hocket/Blocks-v0", "hocket/Duel-v0", "hocket/Catch-v0")
"""Games on hocket's own cartridges."""
TETRIS_ID, BATTLES_ID, CATCHING_ID = BROUGHT_IDS = (
    "hocket/Tetris-v0",
    "hocket/PokemonBattles-v0",
    "hocket/PokemonCatching-v0",
)
"""Games on the user's cartridges."""

EPISODE_TICKS = 108_000
"""Ticks after which an episode of a game is truncated, as Atari's are: half an hour."""

_MAKERS = {
    BLOCKS_ID: "make_blocks",
    DUEL_ID: "make_duel",
    CATCH_ID: "make_catch",
    TETRIS_ID: "make_tetris",
    BATTLES_ID: "make_battles",
    CATCHING_ID: "make_catching",
}


def register_environments() -> None:
    """Registers all ids that are not registered yet."""
    if NULL_ID not in gym.registry:  # without wrappers that check: their cost would count
        gym.register(NULL_ID, entry_point="hocket.envs.null:NullEnv", disable_env_checker=True, order_enforce=False)
    for id, maker in _MAKERS.items():
        if id not in gym.registry:
            gym.register(
                id,
                entry_point=f"hocket.envs.gameboy.factory:{maker}",
                max_episode_steps=EPISODE_TICKS,
                disable_env_checker=True,
            )
