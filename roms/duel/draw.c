/* MIT licence, see LICENSE at the root of the repository. */
#include "draw.h"

#include "gb.h"
#include "pictures.h"
#include "tiles.h"

#define GAUGE_TILES 6

extern const uint8_t font[];

/* Each with one more column full than the one before. */
static void load_gauge(void) {
    uint8_t *to = VRAM_TILES + 16 * TILE_GAUGE;

    uint8_t full = 0;

    for (uint8_t tile = 0; tile <= 8; tile++, full = full >> 1 | 0x80) {
        for (uint8_t row = 0; row < 8; row++) {
            uint8_t edge = row == 1 || row == 6 ? 0xFF : 0;
            uint8_t inside = row > 1 && row < 6 ? full : 0;
            *to++ = edge | (row > 2 ? inside : 0);
            *to++ = edge | inside;
        }
    }
}

void load_drawings(void) {
    load_font();
    load_tiles(TILE_BLANK, SIGNS_TILES, signs);
    load_gauge();
    load_tiles(TILE_CAGE, CAGE_TILES, cage);
    load_tiles(TILE_ROAD, PLACES_TILES, places);
}

void begin_screen(void) {
    screen_off();
    fill(0, 0, COLUMNS, ROWS, TILE_BLANK);
}

void draw_box(uint8_t x, uint8_t y, uint8_t width, uint8_t height) {
    uint8_t right = x + width - 1, bottom = y + height - 1;

    put_tile(x, y, TILE_BOX);
    fill(x + 1, y, width - 2, 1, TILE_BOX + 4);
    put_tile(right, y, TILE_BOX + 1);
    for (uint8_t row = y + 1; row < bottom; row++) {
        put_tile(x, row, TILE_BOX + 6);
        fill(x + 1, row, width - 2, 1, TILE_BLANK);
        put_tile(right, row, TILE_BOX + 7);
    }
    put_tile(x, bottom, TILE_BOX + 2);
    fill(x + 1, bottom, width - 2, 1, TILE_BOX + 5);
    put_tile(right, bottom, TILE_BOX + 3);
}

void draw_gauge(uint8_t x, uint8_t y, uint16_t value, uint16_t most) {
    uint8_t pixels = (uint8_t)(value * (8 * GAUGE_TILES) / most);

    if (value && !pixels) pixels = 1;
    put_tile(x, y, TILE_GAUGE_LEFT);
    for (uint8_t tile = 1; tile <= GAUGE_TILES; tile++) {
        uint8_t here = pixels < 8 ? pixels : 8;
        put_tile(x + tile, y, TILE_GAUGE + here);
        pixels -= here;
    }
    put_tile(x + GAUGE_TILES + 1, y, TILE_GAUGE_RIGHT);
}

/* Four bits, each twice. */
static uint8_t doubled(uint8_t bits) {
    uint8_t wide = 0;

    for (uint8_t bit = 0x08; bit; bit >>= 1) wide = (uint8_t)(wide << 2) | (bits & bit ? 3 : 0);
    return wide;
}

void draw_large(uint8_t x, uint8_t y, const char *text, uint8_t first) {
    for (; *text; text++, x += 2, first += 4) {
        const uint8_t *from = font + 8 * (uint16_t)(*text - 0x20);
        for (uint8_t part = 0; part < 4; part++) { /* top left, top right, bottom left, bottom right */
            uint8_t *to = VRAM_TILES + 16 * (uint16_t)(first + part);
            for (uint8_t row = 0; row < 8; row++) {
                uint8_t bits = from[(part & 2 ? 4 : 0) + row / 2];
                uint8_t wide = doubled(part & 1 ? bits & 0x0F : bits >> 4);
                *to++ = wide;
                *to++ = wide;
            }
            put_tile(x + (part & 1), y + (part >> 1), first + part);
        }
    }
}

static uint8_t reversed(uint8_t bits) {
    uint8_t other_way = 0;

    for (uint8_t left = 8; left; left--, bits >>= 1) other_way = (uint8_t)(other_way << 1) | (bits & 1);
    return other_way;
}

void load_picture(uint8_t number, uint8_t mirrored) {
    static uint8_t loaded[2];
    uint8_t *to = VRAM_TILES + 16 * (uint16_t)(mirrored ? TILE_ENEMY : TILE_OWN);

    if (loaded[mirrored] == number) return;
    loaded[mirrored] = number;
    for (uint8_t row = 0; row < PICTURE_SIDE; row++) {
        for (uint8_t column = 0; column < PICTURE_SIDE; column++) {
            uint8_t from_column = mirrored ? PICTURE_SIDE - 1 - column : column;
            const uint8_t *from = pictures[number - 1] + 16 * (uint16_t)(row * PICTURE_SIDE + from_column);
            for (uint8_t left = 16; left; left--, from++) {
                uint8_t bits = mirrored ? reversed(*from) : *from;
                while (STAT & 2) { /* video memory is shut off while a line is drawn */
                }
                *to++ = bits;
            }
        }
    }
}

void draw_picture(uint8_t x, uint8_t y, uint8_t first, uint8_t sunk) {
    for (uint8_t row = 0; row < PICTURE_SIDE; row++)
        for (uint8_t column = 0; column < PICTURE_SIDE; column++)
            put_tile(x + column, y + row, row < sunk ? TILE_BLANK : first++);
}
