/* MIT licence, see LICENSE at the root of the repository. */
#include "scene.h"

#include "draw.h"
#include "rules.h"
#include "sound.h"

#define OWN_X 1
#define OWN_Y 6
#define ENEMY_X 13
#define ENEMY_Y 0

/* Pitches of `note`. */
#define A3 1452
#define A4 1750
#define A5 1899

static uint16_t shown_hp[2]; /* what the gauges say, by `of_own` */

static const Monster *active(uint8_t of_own) {
    return of_own ? PARTY + ACTIVE_OWN_SLOT : ENEMIES + ACTIVE_ENEMY_SLOT;
}

static void show_gauge(uint8_t of_own) {
    uint16_t hp = shown_hp[of_own], most = word_at(active(of_own)->max_hp);

    if (of_own) {
        draw_gauge(10, 9, hp, most);
        put_number(11, 10, hp, 3);
        put_tile(14, 10, '/');
        put_number(15, 10, most, 3);
    } else {
        draw_gauge(1, 3, hp, most);
    }
}

void show_state(uint8_t of_own) {
    const Monster *monster = active(of_own);
    uint8_t x = of_own ? 10 : 1, y = of_own ? 7 : 1;

    put_text(x, y, "        ");
    put_text(x, y, species[monster->species].name);
    put_tile(x, y + 1, 'L');
    put_number(x + 1, y + 1, monster->level, 2);
    put_text(x + 4, y + 1, monster->status ? "ASLEEP" : "      ");
    shown_hp[of_own] = word_at(monster->hp);
    show_gauge(of_own);
}

static void picture(uint8_t of_own, uint8_t sunk) {
    if (of_own) {
        draw_picture(OWN_X, OWN_Y, TILE_OWN, sunk);
    } else {
        draw_picture(ENEMY_X, ENEMY_Y, TILE_ENEMY, sunk);
    }
}

void hide(uint8_t of_own) {
    picture(of_own, PICTURE_SIDE);
}

void show_own(void) {
    hide(1);
    load_picture(active(1)->species, 0);
    picture(1, 0);
    show_state(1);
}

void show_enemy(void) {
    hide(0);
    load_picture(active(0)->species, 1);
    picture(0, 0);
    show_state(0);
}

void show_scene(void) {
    begin_screen();
    draw_box(0, 12, 20, 6);
    show_enemy();
    show_own();
    screen_on();
}

void shake(uint8_t of_own) {
    uint8_t times, frames;

    note(of_own ? A3 : A4, 2);
    for (times = 0; times < 6; times++) {
        picture(of_own, times & 1 ? 0 : PICTURE_SIDE);
        for (frames = 0; frames < 4; frames++) {
            next_frame();
        }
    }
}

void drop(uint8_t of_own) {
    uint8_t sunk, frames;

    for (sunk = 1; sunk <= PICTURE_SIDE; sunk++) {
        picture(of_own, sunk);
        note(A4 - 100 * sunk, 1);
        for (frames = 0; frames < 4; frames++) {
            next_frame();
        }
    }
}

void drain(uint8_t of_own) {
    uint16_t hp = word_at(active(of_own)->hp);

    while (shown_hp[of_own] > hp) {
        shown_hp[of_own] -= 1 + (shown_hp[of_own] - hp) / 32;
        show_gauge(of_own);
        next_frame();
    }
}

static void put_trap(uint8_t x, uint8_t shown) {
    uint8_t tile;

    for (tile = 0; tile < 4; tile++) {
        put_tile(x + (tile & 1), ENEMY_Y + 3 + (tile >> 1), shown ? TILE_CAGE + tile : TILE_BLANK);
    }
}

void show_trap(void) {
    hide(0);
    put_trap(ENEMY_X + 2, 1);
}

void swing_trap(void) {
    static const uint8_t places[] = {2, 1, 2, 3, 2};
    uint8_t step, frames;

    for (step = 0; step < sizeof(places); step++) {
        put_trap(ENEMY_X + places[step], 1);
        note(A5, 1);
        for (frames = 0; frames < 8; frames++) {
            next_frame();
        }
        if (step + 1 < sizeof(places)) {
            put_trap(ENEMY_X + places[step], 0);
        }
    }
}
