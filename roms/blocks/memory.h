/* Where the state of the game lies.  MIT licence, see LICENSE at the root of the repository.

   The addresses from the score to the next piece are those that hocket's definition of Tetris reads. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdint.h>

#define BYTE(address) (*(volatile uint8_t *)(address))

#define SCORE ((volatile uint8_t *)0xC0A0) /* 3 bytes of two decimal digits, the lowest first */
#define PIECE_Y BYTE(0xC201)               /* 8 x row + 16 of the piece's box */
#define PIECE_X BYTE(0xC202)               /* 8 x column + 16, columns from -1 on */
#define PIECE BYTE(0xC203)                 /* 4 x kind + rotation */
#define NEXT BYTE(0xC213)                  /* 4 x kind */
#define LINES ((volatile uint8_t *)0xFF9E) /* 2 bytes like the score's */
#define LEVEL BYTE(0xFFA9)                 /* 0 to 20 */
#define GAME_STATE BYTE(0xFFE1)

#define PLAYING 0x00
#define GAME_OVER 0x04
#define TITLE 0x07
#define STARTING 0x0A
#define CURTAIN_FALLS 0x0D
#define LEVEL_CHOICE 0x11

/* Ours alone: 18 rows from the top, 10 cells and 22 unused bytes each; 0 is empty (and a white tile), else the tile of a block. */
#define WIDTH 10
#define HEIGHT 18
extern uint8_t __at(0xC800) field[HEIGHT][32];

#endif
