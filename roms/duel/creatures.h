/* What there is: three types in a ring, moves, creatures.  MIT licence, see LICENSE at the root. */
#ifndef CREATURES_H
#define CREATURES_H

#include <stdint.h>

enum { BRASS, REED, STRING, PLAIN };
enum { NO_EFFECT, RECOIL, BURST, SLEEP };
enum { NO_MOVE, TAP, BLARE, FANFARE, CHIRP, SQUALL, PLUCK, GLISSADE, CRASH, BURST_MOVE, HUSH };
enum { NO_SPECIES, TUBBOL, HORNIK, PIPWIG, OBOWL, LYRAK, CELLUX, GONGLE };
#define SPECIES_COUNT 7

typedef struct {
    char name[9];
    uint8_t type;
    uint8_t power;
    uint8_t accuracy; /* of 256; 255 always hits */
    uint8_t uses;
    uint8_t effect;
} Move;

typedef struct {
    char name[7];
    uint8_t type;
    uint8_t hp, attack, defense, speed;
    uint8_t catch_rate;
    uint8_t moves[4];
} Species;

extern const Move moves[];     /* by number; 0 is none */
extern const Species species[]; /* by number; 0 is none */
extern const char type_names[4][7];

#endif
