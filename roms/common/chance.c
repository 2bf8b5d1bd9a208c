/* MIT licence, see LICENSE at the root of the repository. */
#include "chance.h"
#include "gb.h"
#include "screen.h"

static uint16_t state;

void seed_from_clock(void) {
    state = frames ^ ((uint16_t)DIV << 8);
    if (!state) state = 1;
    for (uint8_t round = 0; round < 8; round++) random16(); /* neighbouring seeds part */
}

void stir(void) {
    state ^= DIV;
    if (!state) state = 1;
}

uint16_t random16(void) {
    state ^= state << 7;
    state ^= state >> 9;
    state ^= state << 8;
    return state;
}

uint8_t random_below(uint8_t below) {
    return ((random16() >> 8) * below) >> 8;
}
