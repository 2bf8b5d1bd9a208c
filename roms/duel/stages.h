/* Who meets whom: the party at the start, the opponents of each round, wild creatures.  MIT licence, see LICENSE at the root. */
#ifndef STAGES_H
#define STAGES_H

#include "memory.h"

#define ROUNDS 8
#define WILD_MAP 0x40
#define WILD_TRAPS 6

typedef struct {
    char name[9];
    uint8_t own_size, own_level;
    uint8_t enemy_size, enemy_level;
    uint8_t skill; /* of 256: how often it makes the best move */
} Round;

extern const Round rounds[ROUNDS + 1]; /* by number, from 1 */

void new_party(uint8_t size, uint8_t level); /* forgets what was owned and caught before */
void grow_party(uint8_t size, uint8_t level);
void new_opponent(uint8_t round);
void new_wild(void);

#endif
