/* MIT licence, see LICENSE at the root of the repository. */
#include "tiles.h"
#include "screen.h"

void load_art(void) {
    load_font();
    load_tiles(BLOCK_TILE, BLOCKS_TILES, blocks);
    load_tiles(FLASH_TILE, FLASH_TILES, flash);
    load_tiles(CURTAIN_TILE, CURTAIN_TILES, curtain);
    load_tiles(LEFT_WALL_TILE, LEFT_WALL_TILES, left_wall);
    load_tiles(RIGHT_WALL_TILE, RIGHT_WALL_TILES, right_wall);
    load_tiles(FRAME_TILE, FRAME_TILES, frame);
    load_tiles(QUARTER_TILE, QUARTERS_TILES, quarters);
}

void put_frame(uint8_t x, uint8_t y, uint8_t width, uint8_t height) {
    uint8_t right = x + width - 1, bottom = y + height - 1;
    fill(x + 1, y, width - 2, 1, FRAME_TILE + 1);
    fill(x + 1, bottom, width - 2, 1, FRAME_TILE + 6);
    fill(x, y + 1, 1, height - 2, FRAME_TILE + 3);
    fill(right, y + 1, 1, height - 2, FRAME_TILE + 4);
    fill(x + 1, y + 1, width - 2, height - 2, ' ');
    put_tile(x, y, FRAME_TILE);
    put_tile(right, y, FRAME_TILE + 2);
    put_tile(x, bottom, FRAME_TILE + 5);
    put_tile(right, bottom, FRAME_TILE + 7);
}
