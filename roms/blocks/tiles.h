/* Where the tiles of art.txt lie.  MIT licence, see LICENSE at the root of the repository. */
#ifndef TILES_H
#define TILES_H

#include "art.h"

#define BLOCK_TILE 0x80
#define FLASH_TILE (BLOCK_TILE + BLOCKS_TILES)
#define CURTAIN_TILE (FLASH_TILE + FLASH_TILES)
#define LEFT_WALL_TILE (CURTAIN_TILE + CURTAIN_TILES)
#define RIGHT_WALL_TILE (LEFT_WALL_TILE + LEFT_WALL_TILES)
#define FRAME_TILE (RIGHT_WALL_TILE + RIGHT_WALL_TILES)
#define QUARTER_TILE (FRAME_TILE + FRAME_TILES)

void load_art(void);
/* A frame whose outer corner is at (x, y), blank inside. */
void put_frame(uint8_t x, uint8_t y, uint8_t width, uint8_t height);

#endif
