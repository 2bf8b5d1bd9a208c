/* Where the state of the game lies: at the addresses that hocket's PokemonBattles and PokemonCatching read
   (src/hocket/envs/gameboy/pokemon.py). Two-byte numbers are big-endian.
   MIT licence, see LICENSE at the root of the repository. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdint.h>

#define AT(address) ((volatile uint8_t *)(address))
#define BYTE(address) (*AT(address))

#define PARTY_MOST 6
#define BOX_MOST 20
#define SPECIES_BYTES 19

typedef struct {
    uint8_t species; /* 0: none */
    uint8_t hp[2];
    uint8_t kept_level;
    uint8_t status; /* turns left asleep */
    uint8_t types[2];
    uint8_t catch_rate;
    uint8_t moves[4];
    uint8_t not_used[17];
    uint8_t uses[4];
    uint8_t level;
    uint8_t max_hp[2];
    uint8_t attack[2];
    uint8_t defense[2];
    uint8_t speed[2];
    uint8_t special[2];
} Monster; /* 0x2C bytes */

#define PARTY_COUNT BYTE(0xD163)
#define PARTY_SPECIES AT(0xD164)
#define PARTY ((Monster *)AT(0xD16B))
#define ENEMY_COUNT BYTE(0xD89C)
#define ENEMY_SPECIES AT(0xD89D)
#define ENEMIES ((Monster *)AT(0xD8A4))

#define ACTIVE_ENEMY AT(0xCFE5) /* species, HP (2 bytes) */
#define ACTIVE_ENEMY_SLOT BYTE(0xCFE8)
#define ACTIVE_ENEMY_STATUS BYTE(0xCFE9)
#define ACTIVE_ENEMY_LEVEL BYTE(0xCFF3)
#define ACTIVE_ENEMY_MAX_HP AT(0xCFF4)
#define ACTIVE_OWN AT(0xD014) /* species, HP (2 bytes) */
#define ACTIVE_OWN_SLOT BYTE(0xCC2F)

#define IN_BATTLE BYTE(0xD057)
#define BATTLE_NONE 0
#define BATTLE_WILD 1
#define BATTLE_TRAINER 2
#define BATTLE_LOST 0xFF
#define BATTLE_TYPE BYTE(0xD05A)

#define OWNED AT(0xD2F7)
#define BAG AT(0xD31D) /* count of kinds, then kind, how many, ..., 0xFF */
#define TRAPS BYTE(0xD31F)
#define TRAP_ITEM 4
#define MAP BYTE(0xD35E)
#define PLACE_Y BYTE(0xD361)
#define PLACE_X BYTE(0xD362)
#define BOX_COUNT BYTE(0xDA80)
#define BOX_SPECIES AT(0xDA81)

/* Where input goes, for scripts. */
#define WAITS_FOR BYTE(0xCC24)
#define WAITS_NOT 0
#define WAITS_TITLE 1
#define WAITS_TEXT 2
#define WAITS_BATTLE_MENU 3
#define WAITS_MOVES 4
#define WAITS_PARTY 5
#define WAITS_PARTY_FORCED 6
#define CURSOR BYTE(0xCC26)
#define CURSOR_LAST BYTE(0xCC28)

#endif
