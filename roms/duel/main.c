/* Hocket Duel: the title, and the road from one battle to the next.  MIT licence, see LICENSE at the root. */
#include "battle.h"
#include "chance.h"
#include "dialog.h"
#include "draw.h"
#include "gb.h"
#include "joypad.h"
#include "rules.h"
#include "sound.h"
#include "stages.h"

#define WILD_PARTY 3
#define WILD_LEVEL 10
#define ROAD_Y 9

static void draw_title_menu(uint8_t wild, uint8_t round) {
    put_tile(4, 12, wild ? TILE_BLANK : TILE_CURSOR);
    put_tile(4, 14, wild ? TILE_CURSOR : TILE_BLANK);
    put_number(16, 12, round, 1);
}

static void draw_title(void) {
    begin_screen();
    draw_large(4, 1, "HOCKET", TILE_LARGE);
    draw_large(6, 3, "DUEL", TILE_LARGE_TOO);
    load_picture(HORNIK, 0);
    load_picture(OBOWL, 1);
    draw_picture(2, 5, TILE_OWN, 0);
    draw_picture(12, 5, TILE_ENEMY, 0);
    draw_box(1, 11, 18, 5);
    put_text(5, 12, "DUEL");
    put_text(10, 12, "ROUND");
    put_text(5, 14, "CATCH");
    put_text(5, 16, "PRESS START");
    screen_on();
}

/* The round chosen, or 0 for wild creatures. */
static uint8_t title(void) {
    uint8_t wild = 0, round = 1;

    IN_BATTLE = BATTLE_NONE;
    draw_title();
    WAITS_FOR = WAITS_TITLE;
    for (;;) {
        MAP = wild ? WILD_MAP : round;
        CURSOR = wild;
        CURSOR_LAST = 1;
        draw_title_menu(wild, round);
        next_frame();
        if (pressed & UP) wild = 0;
        if (pressed & DOWN) wild = 1;
        if (pressed & LEFT && round > 1) round--;
        if (pressed & RIGHT && round < ROUNDS) round++;
        if (pressed & SELECT) wild = 1;
        if (pressed & (START | SELECT | BUTTON_A)) break;
    }
    WAITS_FOR = WAITS_NOT;
    MAP = wild ? WILD_MAP : round;
    seed_from_clock();
    return wild ? 0 : round;
}

/* A short walk to whoever is next. */
static void road(uint8_t round) {
    begin_screen();
    fill(0, ROAD_Y, COLUMNS, 1, TILE_ROAD);
    if (round) {
        put_text(6, 3, "ROUND");
        put_number(12, 3, round, 1);
        put_text(6, 5, "VS");
        put_text(9, 5, rounds[round].name);
        for (uint8_t station = 0; station < ROUNDS; station++) put_tile(2 + 2 * station, ROAD_Y, TILE_STATION);
    } else {
        put_text(2, 3, "INTO THE WILD...");
    }
    screen_on();
    PLACE_Y = ROAD_Y - 1;
    uint8_t last = round ? 2 * round : 2 + random_below(16);
    for (PLACE_X = last - 2; ; PLACE_X++) {
        put_tile(PLACE_X, PLACE_Y, TILE_WALKER);
        pause(20);
        if (PLACE_X == last) break;
        put_tile(PLACE_X, PLACE_Y, TILE_BLANK);
    }
}

static void duel(uint8_t round) {
    for (; round <= ROUNDS; round++) {
        MAP = round;
        road(round);
        if (PARTY_COUNT == 0) {
            new_party(rounds[round].own_size, rounds[round].own_level);
        } else {
            grow_party(rounds[round].own_size, rounds[round].own_level);
        }
        new_opponent(round);
        if (!battle(round)) return;
    }
    begin_screen();
    draw_box(0, 12, 20, 6);
    draw_large(4, 4, "BRAVO!", TILE_LARGE);
    screen_on();
    say("NOBODY IS LEFT TO", "", "BEAT. YOU WIN!", "");
    wait_button();
}

static void hunt(void) {
    new_party(WILD_PARTY, WILD_LEVEL);
    do {
        road(0);
        grow_party(PARTY_COUNT, WILD_LEVEL);
        new_wild();
    } while (battle(0));
}

void main(void) {
    screen_off();
    load_drawings();
    sound_on();
    for (;;) {
        uint8_t round = title();
        PARTY_COUNT = 0;
        if (round) {
            duel(round);
        } else {
            hunt();
        }
    }
}
