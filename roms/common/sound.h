/* Short notes on the first sound channel.  MIT licence, see LICENSE at the root of the repository. */
#ifndef SOUND_H
#define SOUND_H

#include <stdint.h>

void sound_on(void);

/* Frequency 131,072 / (2048 - pitch) Hz; it fades one step in every length x 15.6 ms (1 to 7). */
void note(uint16_t pitch, uint8_t length);

#endif
