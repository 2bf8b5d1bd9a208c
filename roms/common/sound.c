/* MIT licence, see LICENSE at the root of the repository. */
#include "sound.h"
#include "gb.h"

void sound_on(void) {
    NR52 = 0x80;
    NR51 = 0xFF;
    NR50 = 0x33;
}

void note(uint16_t pitch, uint8_t length) {
    NR10 = 0;
    NR11 = 0x80;          /* a square wave */
    NR12 = 0xA0 | length; /* from two thirds of full loudness down */
    NR13 = (uint8_t)pitch;
    NR14 = 0x80 | (pitch >> 8);
}
