/* A battle from the first text to the last. */
#ifndef BATTLE_H
#define BATTLE_H

#include <stdint.h>

/* Against round `round`'s opponent, or a wild creature if 0. Parties are in memory. Ends with IN_BATTLE at BATTLE_NONE,
   or at BATTLE_LOST: then 0. */
uint8_t battle(uint8_t round);

#endif
