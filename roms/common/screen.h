/* Frames, background tiles, text and sprites.  MIT licence, see LICENSE at the root of the repository. */
#ifndef SCREEN_H
#define SCREEN_H

#include <stdint.h>

#define COLUMNS 20
#define ROWS 18

typedef struct {
    uint8_t y, x; /* of the upper left pixel + 16 and + 8; y = 0 hides it */
    uint8_t tile, flags;
} Sprite;

#define SPRITES 40
extern Sprite __at(0xC000) sprites[SPRITES]; /* shown from the next frame on */
extern volatile uint16_t frames;             /* since boot */

/* Sleep until the next frame begins, read the joypad (joypad.h). What is drawn from then on is shown in the frame after
   it; 143 lines, 16,300 machine cycles, are left for that. */
void next_frame(void);

/* With the screen off, drawing is immediate and as much as one likes; on, it is shown in the next frame. */
void screen_off(void);
void screen_on(void);

/* 8 x 8 pixels of 16 bytes each, first first .. first + count - 1. Screen off only. */
void load_tiles(uint8_t first, uint8_t count, const uint8_t *data);

/* The font: tile number = ASCII code, 0x20 to 0x7F. Screen off only. */
void load_font(void);

/* Background tiles. At most 56 a frame are written: more wait for further frames. */
void put_tile(uint8_t x, uint8_t y, uint8_t tile);
/* count of them from left to right. */
void put_tiles(uint8_t x, uint8_t y, uint8_t count, const uint8_t *tiles);
void put_text(uint8_t x, uint8_t y, const char *text);
void fill(uint8_t x, uint8_t y, uint8_t width, uint8_t height, uint8_t tile);
/* Tiles first, first + 1, ... row by row. */
void put_picture(uint8_t x, uint8_t y, uint8_t width, uint8_t height, uint8_t first);
/* Right-aligned in width columns, with blanks before it. */
void put_number(uint8_t x, uint8_t y, uint16_t number, uint8_t width);
/* count bytes of two decimal digits each, the lowest first; leading zeros are blank. */
void put_bcd(uint8_t x, uint8_t y, const volatile uint8_t *digits, uint8_t count);

/* Tiles of this frame that can still be drawn without waiting. */
uint8_t room(void);

void place_sprite(uint8_t index, uint8_t x, uint8_t y, uint8_t tile);
void hide_sprites(void);

#endif
