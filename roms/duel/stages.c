/* MIT licence, see LICENSE at the root of the repository. */
#include "stages.h"

#include "chance.h"
#include "rules.h"

const Round rounds[ROUNDS + 1] = {
    {"", 0, 0, 0, 0, 0},
    {"BUSKER", 3, 10, 3, 10, 64},
    {"PUPIL", 3, 11, 3, 11, 96},
    {"PIPER", 4, 12, 4, 12, 128},
    {"FIDDLER", 4, 13, 4, 13, 160},
    {"CANTOR", 5, 14, 5, 14, 192},
    {"SOLOIST", 5, 15, 5, 16, 224},
    {"MAESTRO", 6, 16, 6, 17, 240},
    {"ECHO", 6, 17, 6, 18, 255},
};

static void clear(volatile uint8_t *bytes, uint16_t count) {
    while (count--) {
        *bytes++ = 0;
    }
}


static void add(Monster *side, volatile uint8_t *list, uint8_t slot, uint8_t number, uint8_t level) {
    make_monster(side + slot, number, level);
    list[slot] = number;
    list[slot + 1] = 0xFF;
}

/* One of each type in any order, then others that are not there yet. */
static uint8_t next_kind(const volatile uint8_t *list, uint8_t slot) {
    uint8_t number, before, taken, again;

    do {
        number = 1 + random_below(SPECIES_COUNT);
        taken = again = 0;
        for (before = 0; before < slot; before++) {
            taken |= list[before] == number;
            again |= species[list[before]].type == species[number].type;
        }
    } while (taken || (slot < 3 && again));
    return number;
}

void new_party(uint8_t size, uint8_t level) {
    clear(OWNED, SPECIES_BYTES);
    clear((volatile uint8_t *)PARTY, PARTY_MOST * sizeof(Monster));
    BOX_COUNT = 0;
    BOX_SPECIES[0] = 0xFF;
    PARTY_COUNT = 0;
    BAG[0] = 0;
    BAG[1] = 0xFF;
    grow_party(size, level);
}

void grow_party(uint8_t size, uint8_t level) {
    uint8_t slot, number;

    for (slot = 0; slot < PARTY_COUNT; slot++) {
        make_monster(PARTY + slot, PARTY[slot].species, level);
    }
    while (PARTY_COUNT < size) {
        slot = PARTY_COUNT;
        number = next_kind(PARTY_SPECIES, slot);
        add(PARTY, PARTY_SPECIES, slot, number, level);
        set_owned(number);
        PARTY_COUNT = slot + 1;
    }
}

void new_opponent(uint8_t round) {
    uint8_t slot, size = rounds[round].enemy_size;

    clear((volatile uint8_t *)ENEMIES, PARTY_MOST * sizeof(Monster));
    for (slot = 0; slot < size; slot++) {
        add(ENEMIES, ENEMY_SPECIES, slot, next_kind(ENEMY_SPECIES, slot), rounds[round].enemy_level);
    }
    ENEMY_COUNT = size;
}

void new_wild(void) {
    clear((volatile uint8_t *)ENEMIES, PARTY_MOST * sizeof(Monster));
    add(ENEMIES, ENEMY_SPECIES, 0, 1 + random_below(SPECIES_COUNT), 9 + random_below(4));
    ENEMY_COUNT = 1;
    BAG[0] = 1;
    BAG[1] = TRAP_ITEM;
    TRAPS = WILD_TRAPS;
    BAG[3] = 0xFF;
}
