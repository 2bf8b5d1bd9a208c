/* MIT licence, see LICENSE at the root of the repository. */
#include "title.h"
#include "gb.h"
#include "joypad.h"
#include "memory.h"
#include "pieces.h"
#include "screen.h"
#include "sound.h"
#include "tiles.h"

#define LETTERS 6
#define LEVELS 10
#define BEHIND 0x80 /* of a sprite: seen only where the background is white */

/* Two words of six letters, 6 x 8 small blocks each, drawn as bits; a tile shows 2 x 2 of them. */
static const uint8_t words[2][LETTERS][8] = {
    {
        {0x22, 0x22, 0x22, 0x3E, 0x22, 0x22, 0x22, 0x00}, /* H */
        {0x1C, 0x22, 0x22, 0x22, 0x22, 0x22, 0x1C, 0x00}, /* O */
        {0x1C, 0x22, 0x20, 0x20, 0x20, 0x22, 0x1C, 0x00}, /* C */
        {0x22, 0x24, 0x28, 0x30, 0x28, 0x24, 0x22, 0x00}, /* K */
        {0x3E, 0x20, 0x20, 0x3C, 0x20, 0x20, 0x3E, 0x00}, /* E */
        {0x3E, 0x08, 0x08, 0x08, 0x08, 0x08, 0x08, 0x00}, /* T */
    },
    {
        {0x3C, 0x22, 0x22, 0x3C, 0x22, 0x22, 0x3C, 0x00}, /* B */
        {0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x3E, 0x00}, /* L */
        {0x1C, 0x22, 0x22, 0x22, 0x22, 0x22, 0x1C, 0x00}, /* O */
        {0x1C, 0x22, 0x20, 0x20, 0x20, 0x22, 0x1C, 0x00}, /* C */
        {0x22, 0x24, 0x28, 0x30, 0x28, 0x24, 0x22, 0x00}, /* K */
        {0x1E, 0x20, 0x20, 0x1C, 0x02, 0x02, 0x3C, 0x00}, /* S */
    },
};

static void put_word(uint8_t y, const uint8_t (*letters)[8]) {
    for (uint8_t letter = 0; letter < LETTERS; letter++)
        for (uint8_t row = 0; row < 4; row++) {
            uint8_t upper = letters[letter][2 * row], lower = letters[letter][2 * row + 1];
            for (uint8_t column = 0; column < 3; column++) {
                uint8_t shift = 4 - 2 * column;
                uint8_t quarter = (upper >> shift & 3) << 2 | (lower >> shift & 3);
                put_tile(1 + 3 * letter + column, y + row, quarter ? QUARTER_TILE + quarter : ' ');
            }
        }
}

/* A heap of blocks at the bottom; heights in half bytes from the left. */
static void put_heap(void) {
    static const uint8_t heights[COLUMNS / 2] = {0x21, 0x10, 0x23, 0x32, 0x11, 0x02, 0x21, 0x10, 0x12, 0x32};
    for (uint8_t x = 0; x < COLUMNS; x++) {
        uint8_t height = heights[x / 2] >> (x & 1 ? 0 : 4) & 0x0F;
        for (uint8_t level = 0; level < height; level++)
            put_tile(x, ROWS - 1 - level, BLOCK_TILE + (uint8_t)(x + 3 * level) % KINDS);
    }
}

void show_title(void) {
    GAME_STATE = TITLE;
    screen_off();
    hide_sprites();
    load_art();
    fill(0, 0, COLUMNS, ROWS, ' ');
    put_word(1, words[0]);
    put_word(5, words[1]);
    put_heap();
    screen_on();
    uint8_t kind = 2, column = 3, y = 0;
    do {
        next_frame();
        if (++y == 8 * ROWS) {
            y = 0;
            kind = kind == KINDS - 1 ? 0 : kind + 1;
            column = column < 10 ? column + 7 : column - 9;
        }
        draw_piece(0, 4 * kind, 8 * column, y);
        for (uint8_t index = 0; index < 4; index++) sprites[index].flags = BEHIND;
        if (!(frames & 0x1F)) put_text(4, 11, frames & 0x20 ? "PRESS  START" : "            ");
    } while (!(pressed & START));
    note(1797, 3);
}

uint8_t choose_level(void) {
    uint8_t level = 0;
    GAME_STATE = LEVEL_CHOICE;
    screen_off();
    hide_sprites();
    fill(0, 0, COLUMNS, ROWS, CURTAIN_TILE);
    put_frame(2, 3, 16, 12);
    put_text(7, 5, "LEVEL");
    for (uint8_t each = 0; each < LEVELS; each++) put_tile(6 + 2 * (each % 5), 8 + 2 * (each / 5), '0' + each);
    put_text(5, 12, "THEN START");
    screen_on();
    do {
        next_frame();
        uint8_t before = level;
        if (pressed & RIGHT && level < LEVELS - 1) level++;
        if (pressed & LEFT && level) level--;
        if (pressed & DOWN && level < LEVELS / 2) level += LEVELS / 2;
        if (pressed & UP && level >= LEVELS / 2) level -= LEVELS / 2;
        if (level != before) note(1798, 1);
        put_tile(5 + 2 * (before % 5), 8 + 2 * (before / 5), ' ');
        put_tile(5 + 2 * (level % 5), 8 + 2 * (level / 5), 0x7F);
    } while (!(pressed & START));
    return level;
}
