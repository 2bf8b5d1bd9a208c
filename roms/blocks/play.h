/* One game.  MIT licence, see LICENSE at the root of the repository. */
#ifndef PLAY_H
#define PLAY_H

#include <stdint.h>

/* From the first piece to the last, and on until START is pressed. */
void play(uint8_t level);

#endif
