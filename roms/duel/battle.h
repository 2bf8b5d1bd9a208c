/* A battle from the first text to the last.  MIT licence, see LICENSE at the root. */
#ifndef BATTLE_H
#define BATTLE_H

#include <stdint.h>

/* Of the parties in memory, against the opponent of round `against` or, if that is 0, a wild creature.
   Whether the player can go on: 0 if all of the party fell. */
uint8_t battle(uint8_t against);

#endif
