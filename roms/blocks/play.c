/* A game is a sequence of phases, each a function of one frame.  MIT licence, see LICENSE at the root. */
#include "play.h"
#include "chance.h"
#include "gb.h"
#include "joypad.h"
#include "memory.h"
#include "pieces.h"
#include "score.h"
#include "screen.h"
#include "sound.h"
#include "tiles.h"

#define FIELD_X 1         /* column of the screen */
#define START_COLUMN 3    /* of a new piece's box */
#define REPEAT_AFTER 12   /* frames until a direction held moves the piece again, */
#define REPEAT_EVERY 4    /* and from then on */
#define PUSH_EVERY 3      /* frames a row with DOWN held */
#define ENTRY 2           /* frames without a piece after one lies */
#define FLASHES 24        /* frames in which full rows flash, */
#define FLASH_EVERY 6     /* of one shade each */
#define ROWS_A_FRAME 5    /* of the field that are drawn again in one frame */
#define CURTAIN_EVERY 3   /* frames a row of the curtain */

#define COLUMN_OF(x) ((uint8_t)(((x) >> 3) - 2)) /* -1 and -2 are 255 and 254 */
#define ROW_OF(y) ((uint8_t)(((y) >> 3) - 2))

uint8_t __at(0xC800) field[HEIGHT][32];

/* Frames a row at each level. */
static const uint8_t gravity[LAST_LEVEL + 1] = {53, 49, 45, 41, 37, 33, 28, 22, 17, 11, 10,
                                                9,  8,  7,  6,  6,  5,  5,  4,  4,  3};

/* Notes of the columns where pieces come to lie: a pentatonic scale from C4 on. */
static const uint16_t scale[WIDTH] = {1547, 1602, 1650, 1714, 1750, 1798, 1825, 1849, 1881, 1899};

typedef enum { FALL, WAIT, FLASH, REDRAW, OVER } Phase;

static Phase phase;
static uint8_t left;                 /* frames of the phase, or rows still to draw */
static uint8_t fall_in;              /* frames until the piece falls by a row */
static uint8_t repeat_in;            /* frames until a held direction counts again */
static uint8_t push_in;              /* the same for DOWN */
static uint8_t pushing;              /* it must go down anew for every piece */
static uint8_t pushed;               /* rows that the piece came down by it */
static uint8_t full[4], full_count;  /* rows, from the top */
static uint8_t panel_due;            /* what it shows has changed in the frame before */

static void put_panel(void) {
    put_bcd(13, 2, SCORE, 3);
    put_number(17, 5, LEVEL, 2);
    put_bcd(15, 8, LINES, 2);
}

static void set_stage(void) {
    screen_off();
    hide_sprites();
    fill(0, 0, 1, ROWS, LEFT_WALL_TILE);
    fill(FIELD_X, 0, WIDTH, HEIGHT, ' ');
    fill(FIELD_X + WIDTH, 0, 1, ROWS, RIGHT_WALL_TILE);
    put_frame(12, 0, 8, 10);
    put_text(13, 1, "SCORE");
    put_text(13, 4, "LEVEL");
    put_text(13, 7, "LINES");
    put_frame(12, 10, 8, 8);
    put_text(14, 11, "NEXT");
    put_panel();
    screen_on();
}

static uint8_t draw_lot(void) {
    stir();
    uint8_t kind = random_below(KINDS);
    if (4 * kind == NEXT) kind = random_below(KINDS); /* twice the same piece is rarer */
    return 4 * kind;
}

static void show_piece(void) { draw_piece(0, PIECE, PIECE_X - 16 + 8 * FIELD_X, PIECE_Y - 16); }

static void hide_piece(void) {
    for (uint8_t index = 0; index < 4; index++) sprites[index].y = 0;
}

static void next_piece(void) {
    PIECE = NEXT;
    PIECE_X = 8 * START_COLUMN + 16;
    PIECE_Y = 16;
    NEXT = draw_lot();
    uint8_t wide = NEXT >> 2 == 2;
    draw_piece(4, NEXT, wide ? 112 : NEXT >> 2 == 3 ? 112 : 116, wide ? 112 : 108);
    show_piece();
    fall_in = gravity[LEVEL];
    pushing = pushed = 0;
    phase = FALL;
    if (!fits(PIECE, START_COLUMN, 0)) {
        GAME_STATE = CURTAIN_FALLS;
        phase = OVER;
    }
}

static void move_to(uint8_t shape, uint8_t x, uint8_t y) {
    PIECE = shape;
    PIECE_X = x;
    PIECE_Y = y;
}

static uint8_t try(uint8_t shape, uint8_t x, uint8_t y) {
    if (!fits(shape, COLUMN_OF(x), ROW_OF(y))) return 0;
    move_to(shape, x, y);
    return 1;
}

static void turn(void) {
    uint8_t kind = PIECE & 0xFC;
    if (pressed & BUTTON_A && try(kind | ((PIECE + 1) & 3), PIECE_X, PIECE_Y)) note(1923, 1);
    if (pressed & BUTTON_B && try(kind | ((PIECE - 1) & 3), PIECE_X, PIECE_Y)) note(1917, 1);
}

static void shift(void) {
    uint8_t direction = held & (LEFT | RIGHT);
    if (direction == 0 || direction == (LEFT | RIGHT)) return;
    if (pressed & direction)
        repeat_in = REPEAT_AFTER;
    else if (--repeat_in == 0)
        repeat_in = REPEAT_EVERY;
    else
        return;
    try(PIECE, direction == LEFT ? PIECE_X - 8 : PIECE_X + 8, PIECE_Y);
}

static uint8_t is_full(uint8_t row) {
    const uint8_t *cell = field[row];
    for (uint8_t column = WIDTH; column; column--)
        if (!*cell++) return 0;
    return 1;
}

/* The piece becomes part of the field, and full rows count at once. */
static void lie(void) {
    uint8_t column = COLUMN_OF(PIECE_X), row = ROW_OF(PIECE_Y);
    const uint8_t *cells = shapes[PIECE];
    for (uint8_t index = 0; index < 4; index++) {
        uint8_t cell = *cells++;
        uint8_t across = column + (cell & 0x0F), down = row + (cell >> 4);
        field[down][across] = BLOCK_TILE + (PIECE >> 2);
        put_tile(FIELD_X + across, down, BLOCK_TILE + (PIECE >> 2));
    }
    hide_piece();
    note(scale[column < WIDTH ? column : 0], 3);
    full_count = 0;
    for (uint8_t down = row; down < row + 4 && down < HEIGHT; down++)
        if (is_full(down)) full[full_count++] = down;
    if (pushed) score_push(pushed);
    if (full_count) score_rows(full_count);
    panel_due = pushed || full_count;
    phase = full_count ? FLASH : WAIT;
    left = full_count ? FLASHES : ENTRY;
}

static void fall(void) {
    turn();
    shift();
    fall_in--;
    if (pressed & DOWN) {
        pushing = 1;
        push_in = 1;
    }
    if (!(held & DOWN)) pushing = 0;
    uint8_t push = pushing && --push_in == 0;
    if (push || !fall_in) {
        fall_in = gravity[LEVEL];
        push_in = PUSH_EVERY;
        if (!try(PIECE, PIECE_X, PIECE_Y + 8)) {
            lie();
            return;
        }
        if (push) pushed++;
    }
    show_piece();
}

/* All rows above row move down by one. */
static void drop_rows(uint8_t row) {
    uint8_t *to = field[row], *from = to - sizeof field[0];
    for (; row; row--) {
        for (uint8_t column = WIDTH; column; column--) *to++ = *from++;
        to -= WIDTH + sizeof field[0];
        from -= WIDTH + sizeof field[0];
    }
    for (uint8_t column = 0; column < WIDTH; column++) field[0][column] = 0;
}

static void flash_rows(void) {
    left--;
    if (left % FLASH_EVERY == FLASH_EVERY - 1) {
        uint8_t bright = left / FLASH_EVERY & 1;
        for (uint8_t index = 0; index < full_count; index++) {
            uint8_t row = full[index];
            if (bright)
                fill(FIELD_X, row, WIDTH, 1, FLASH_TILE);
            else
                put_tiles(FIELD_X, row, WIDTH, field[row]);
        }
        note(scale[9 - left / FLASH_EVERY * 2], 2);
    }
    if (left) return;
    for (uint8_t index = 0; index < full_count; index++) drop_rows(full[index]);
    phase = REDRAW;
    left = full[full_count - 1] + 1;
}

static void redraw_rows(void) {
    for (uint8_t rows = ROWS_A_FRAME; rows && left; rows--) {
        left--;
        put_tiles(FIELD_X, left, WIDTH, field[left]);
    }
    if (left) return;
    phase = WAIT;
    left = ENTRY;
}

static void pause(void) {
    put_text(13, 9, "PAUSED");
    do next_frame();
    while (!(pressed & START));
    fill(13, 9, 6, 1, FRAME_TILE + 6);
}

static void end(void) {
    for (uint8_t row = HEIGHT; row; row--) {
        for (uint8_t wait = CURTAIN_EVERY; wait; wait--) next_frame();
        fill(FIELD_X, row - 1, WIDTH, 1, CURTAIN_TILE);
        note(scale[row >> 1], 1);
        if (row == 2) hide_piece();
    }
    GAME_STATE = GAME_OVER;
    put_frame(FIELD_X, 6, WIDTH, 6);
    put_text(FIELD_X + 3, 8, "GAME");
    put_text(FIELD_X + 3, 9, "OVER");
    do next_frame();
    while (!(pressed & START));
}

void play(uint8_t level) {
    seed_from_clock();
    GAME_STATE = STARTING;
    begin_score(level);
    for (uint8_t row = 0; row < HEIGHT; row++)
        for (uint8_t column = 0; column < WIDTH; column++) field[row][column] = 0;
    set_stage();
    NEXT = 0xFF;
    NEXT = draw_lot();
    next_frame();
    GAME_STATE = PLAYING;
    next_piece();
    while (phase != OVER) {
        next_frame();
        if (pressed & START) pause();
        if (panel_due) {
            put_panel();
            panel_due = 0;
        }
        switch (phase) {
        case FALL: fall(); break;
        case FLASH: flash_rows(); break;
        case REDRAW: redraw_rows(); break;
        case WAIT:
            if (--left == 0) next_piece();
            break;
        }
    }
    end();
}
