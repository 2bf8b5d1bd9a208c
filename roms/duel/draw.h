/* What this game draws beside text: boxes, gauges, creatures, large letters.  MIT licence, see LICENSE at the root. */
#ifndef DRAW_H
#define DRAW_H

#include <stdint.h>

#include "screen.h"

#define PICTURE_SIDE 6 /* tiles */

/* Tiles 0 to 31; 32 to 127 are the font. */
#define TILE_BLANK 0
#define TILE_CURSOR 1
#define TILE_MORE 2
#define TILE_BOX 3    /* corners: top left, top right, bottom left, bottom right; sides: top, bottom, left, right */
#define TILE_GAUGE_LEFT 11
#define TILE_GAUGE_RIGHT 12
#define TILE_GAUGE 13 /* empty to full: 9 */
#define TILE_CAGE 22  /* 2 x 2 */
#define TILE_ROAD 26
#define TILE_STATION 27
#define TILE_WALKER 28
#define TILE_OWN 128
#define TILE_ENEMY 164
#define TILE_LARGE 200     /* six large letters, 4 each */
#define TILE_LARGE_TOO 224 /* four more */

void load_drawings(void); /* screen off only */
void begin_screen(void); /* off and blank */
void draw_box(uint8_t x, uint8_t y, uint8_t width, uint8_t height);
void draw_gauge(uint8_t x, uint8_t y, uint16_t value, uint16_t most); /* 8 tiles wide */
void draw_large(uint8_t x, uint8_t y, const char *text, uint8_t first); /* screen off only */
void load_picture(uint8_t number, uint8_t mirrored); /* of species `number`, into TILE_OWN or, mirrored, TILE_ENEMY */
void draw_picture(uint8_t x, uint8_t y, uint8_t first, uint8_t sunk); /* by so many tiles */

#endif
