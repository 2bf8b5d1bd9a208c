/* Random numbers that follow from the moment at which somebody presses START.  MIT licence, see LICENSE at the root. */
#ifndef CHANCE_H
#define CHANCE_H

#include <stdint.h>

/* Start from the time since boot: the frame count and the divider register. */
void seed_from_clock(void);

/* Let the present moment count as well: what is drawn from then on depends on when it is drawn. */
void stir(void);

/* The next 16 bits: xorshift of period 65,535 (G. Marsaglia, Xorshift RNGs, 2003; shifts 7, 9, 8). */
uint16_t random16(void);

/* 0 .. below - 1. */
uint8_t random_below(uint8_t below);

#endif
