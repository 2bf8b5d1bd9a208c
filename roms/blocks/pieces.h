/* The seven pieces.  MIT licence, see LICENSE at the root of the repository. */
#ifndef PIECES_H
#define PIECES_H

#include <stdint.h>

#define KINDS 7

/* Of 4 x kind + rotation the four cells: 16 x row + column within a box of 4 x 4. */
extern const uint8_t shapes[4 * KINDS][4];

/* Whether the cells of shape are free with its box at (column, row); column 255 is -1. */
uint8_t fits(uint8_t shape, uint8_t column, uint8_t row);

/* Four sprites from first on, the box's corner at pixel (x, y). */
void draw_piece(uint8_t first, uint8_t shape, uint8_t x, uint8_t y);

#endif
