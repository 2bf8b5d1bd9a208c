/* MIT licence, see LICENSE at the root of the repository. */
#include "dialog.h"

#include "chance.h"
#include "creatures.h"
#include "draw.h"
#include "joypad.h"
#include "rules.h"

#define BOX_TOP 12
#define FRAMES_A_LETTER 2

static void wait_frame(void) {
    next_frame();
    random16();
}

void pause(uint8_t frames) {
    while (frames--) {
        wait_frame();
    }
}

static uint8_t spell(uint8_t x, uint8_t y, const char *text) {
    uint8_t wait;

    for (; *text; text++, x++) {
        put_tile(x, y, *text);
        for (wait = held & (BUTTON_A | BUTTON_B) ? 1 : FRAMES_A_LETTER; wait; wait--) {
            wait_frame();
        }
    }
    return x;
}

void say(const char *first, const char *rest, const char *second, const char *second_rest) {
    draw_box(0, BOX_TOP, 20, 6);
    spell(spell(1, BOX_TOP + 2, first), BOX_TOP + 2, rest);
    spell(spell(1, BOX_TOP + 4, second), BOX_TOP + 4, second_rest);
}

/* The next press of one of `buttons`. */
static uint8_t press(uint8_t buttons) {
    uint8_t found;

    do {
        wait_frame();
        found = pressed & buttons;
    } while (!found);
    return found;
}

void wait_button(void) {
    uint8_t frames = 0, found;

    WAITS_FOR = WAITS_TEXT;
    do {
        put_tile(18, BOX_TOP + 4, frames++ & 16 ? TILE_BLANK : TILE_MORE);
        wait_frame();
        found = pressed & (BUTTON_A | BUTTON_B);
    } while (!found);
    WAITS_FOR = WAITS_NOT;
    put_tile(18, BOX_TOP + 4, TILE_BLANK);
}

static void begin_choice(uint8_t waits, uint8_t cursor, uint8_t last) {
    CURSOR = cursor;
    CURSOR_LAST = last;
    WAITS_FOR = waits;
}

uint8_t choose_from_battle_menu(void) {
    uint8_t found, cursor;

    draw_box(0, BOX_TOP, 20, 6);
    put_text(3, BOX_TOP + 2, "FIGHT");
    put_text(3, BOX_TOP + 4, "SWITCH");
    put_text(12, BOX_TOP + 2, "TRAP");
    put_text(12, BOX_TOP + 4, "RUN");
    if (IN_BATTLE == BATTLE_WILD) {
        put_tile(17, BOX_TOP + 2, 'x');
        put_number(18, BOX_TOP + 2, TRAPS, 1);
    }
    begin_choice(WAITS_BATTLE_MENU, MENU_FIGHT, MENU_RUN);
    do {
        cursor = CURSOR;
        put_tile(cursor & 1 ? 11 : 2, BOX_TOP + (cursor & 2 ? 4 : 2), TILE_CURSOR);
        found = press(BUTTON_A | LEFT | RIGHT | UP | DOWN);
        put_tile(cursor & 1 ? 11 : 2, BOX_TOP + (cursor & 2 ? 4 : 2), TILE_BLANK);
        if (found & LEFT) {
            cursor &= 2;
        } else if (found & RIGHT) {
            cursor |= 1;
        } else if (found & UP) {
            cursor &= 1;
        } else if (found & DOWN) {
            cursor |= 2;
        }
        CURSOR = cursor;
    } while (!(found & BUTTON_A));
    WAITS_FOR = WAITS_NOT;
    return cursor;
}

/* One press in a column of entries, `step` rows apart: A or B if pressed, else 0. */
static uint8_t move_in_column(uint8_t x, uint8_t y, uint8_t step) {
    uint8_t found, cursor = CURSOR;

    put_tile(x, y + cursor * step, TILE_CURSOR);
    found = press(BUTTON_A | BUTTON_B | UP | DOWN);
    put_tile(x, y + cursor * step, TILE_BLANK);
    if (found & UP) {
        CURSOR = cursor ? cursor - 1 : CURSOR_LAST;
    } else if (found & DOWN) {
        CURSOR = cursor < CURSOR_LAST ? cursor + 1 : 0;
    }
    return found & (BUTTON_A | BUTTON_B);
}

uint8_t choose_own_move(const Monster *monster) {
    uint8_t slot, found;
    const Move *move;

    draw_box(0, BOX_TOP, 12, 6);
    draw_box(12, BOX_TOP, 8, 6);
    put_text(13, BOX_TOP + 3, "USES");
    for (slot = 0; slot < 4; slot++) {
        put_text(2, BOX_TOP + 1 + slot, moves[monster->moves[slot]].name);
    }
    begin_choice(WAITS_MOVES, 0, 3);
    do {
        move = moves + monster->moves[CURSOR];
        put_text(13, BOX_TOP + 1, "      ");
        put_text(13, BOX_TOP + 1, type_names[move->type]);
        put_number(14, BOX_TOP + 4, monster->uses[CURSOR], 2);
        put_tile(16, BOX_TOP + 4, '/');
        put_number(17, BOX_TOP + 4, move->uses, 2);
        found = move_in_column(1, BOX_TOP + 1, 1);
        if (found & BUTTON_A && monster->uses[CURSOR] == 0) {
            found = 0;
        }
    } while (!found);
    WAITS_FOR = WAITS_NOT;
    return found & BUTTON_A ? CURSOR : CANCELLED;
}

static void draw_member(uint8_t slot) {
    const Monster *member = PARTY + slot;
    uint8_t y = 1 + 2 * slot;

    put_text(2, y, species[member->species].name);
    put_text(9, y, type_names[species[member->species].type]);
    put_tile(16, y, 'L');
    put_number(17, y, member->level, 2);
    draw_gauge(3, y + 1, word_at(member->hp), word_at(member->max_hp));
    put_number(11, y + 1, word_at(member->hp), 3);
    put_tile(14, y + 1, '/');
    put_number(15, y + 1, word_at(member->max_hp), 3);
}

uint8_t choose_member(uint8_t active, uint8_t forced) {
    uint8_t slot, found, chosen;

    begin_screen();
    for (slot = 0; slot < PARTY_COUNT; slot++) {
        draw_member(slot);
    }
    draw_box(0, 14, 20, 4);
    put_text(1, 15, forced ? "WHO GOES NEXT?" : "SWITCH TO WHOM?");
    if (!forced) {
        put_text(1, 16, "B: BACK");
    }
    screen_on();
    begin_choice(forced ? WAITS_PARTY_FORCED : WAITS_PARTY, 0, PARTY_COUNT - 1);
    for (;;) {
        found = move_in_column(1, 1, 2);
        chosen = CURSOR;
        if (found & BUTTON_A && chosen != active && word_at(PARTY[chosen].hp)) {
            break;
        }
        if (found & BUTTON_B && !forced) {
            chosen = CANCELLED;
            break;
        }
    }
    WAITS_FOR = WAITS_NOT;
    return chosen;
}
