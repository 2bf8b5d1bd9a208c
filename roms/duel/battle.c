/* MIT licence, see LICENSE at the root of the repository. */
#include "battle.h"

#include "dialog.h"
#include "draw.h"
#include "rules.h"
#include "scene.h"
#include "stages.h"

enum { GOES_ON, WON, LOST, LEFT };
#define NO_SLOT 0xFF

static uint8_t round, own, enemy;
static Outcome outcome;

static Monster *mine(void) {
    return PARTY + own;
}

static Monster *theirs(void) {
    return ENEMIES + enemy;
}

static const char *name_of(const Monster *monster) {
    return species[monster->species].name;
}

static const char *whose(uint8_t by_own) {
    return by_own ? "" : round ? "FOE " : "WILD ";
}

static void send_own(uint8_t slot) {
    own = slot;
    show_active(own, enemy);
    show_own();
    say("GO, ", name_of(mine()), "!", "");
    pause(20);
}

static void send_enemy(uint8_t slot) {
    enemy = slot;
    show_active(own, enemy);
    show_enemy();
    say(rounds[round].name, " SENDS", name_of(theirs()), "!");
    wait_button();
}

static void attack(uint8_t by_own, uint8_t slot) {
    Monster *attacker = by_own ? mine() : theirs(), *defender = by_own ? theirs() : mine();
    uint8_t move = TAP;

    if (attacker->status) {
        attacker->status--;
        show_active(own, enemy);
        if (attacker->status) {
            say(whose(by_own), name_of(attacker), "IS FAST ASLEEP.", "");
            pause(30);
            return;
        }
        show_state(by_own);
        say(whose(by_own), name_of(attacker), "WOKE UP!", "");
        pause(30);
    }
    if (slot != NO_SLOT) {
        move = attacker->moves[slot];
        attacker->uses[slot]--;
    }
    say(whose(by_own), name_of(attacker), "PLAYS ", moves[move].name);
    pause(20);
    aim(attacker, defender, move, &outcome);
    next_frame(); /* so that both sides' HP change in one frame */
    strike(attacker, defender, &outcome);
    show_active(own, enemy);
    if (outcome.missed) {
        say(moves[move].power ? "IT MISSED." : "NO EFFECT.", "", "", "");
        pause(30);
        return;
    }
    if (outcome.sleep) {
        show_state(!by_own);
        say(whose(!by_own), name_of(defender), "FELL ASLEEP!", "");
        pause(30);
        return;
    }
    shake(!by_own);
    drain(!by_own);
    drain(by_own);
    if (outcome.fit != NEUTRAL) {
        say(outcome.fit == STRONG ? "IT STRIKES A CHORD" : "IT BARELY RINGS.", "", "", "");
        pause(30);
    }
    if (moves[move].effect == RECOIL) {
        say(whose(by_own), name_of(attacker), "HURT ITSELF, TOO.", "");
        pause(30);
    }
}

static uint8_t somebody_fell(void) {
    return word_at(mine()->hp) == 0 || word_at(theirs()->hp) == 0;
}

static void fall(uint8_t of_own) {
    drop(of_own);
    say(whose(of_own), name_of(of_own ? mine() : theirs()), "FAINTED!", "");
    wait_button();
}

/* The opponent's next: the first that stands, or for skilled ones one that is strong against ours. */
static uint8_t next_enemy(void) {
    uint8_t slot, found = NO_SLOT;

    for (slot = 0; slot < PARTY_MOST; slot++) {
        if (word_at(ENEMIES[slot].hp) == 0) {
            continue;
        }
        if (found == NO_SLOT) {
            found = slot;
        }
        if (rounds[round].skill > 128 && fit_of(ENEMIES[slot].types[0], mine()->types[0]) == STRONG) {
            return slot;
        }
    }
    return found;
}

static uint8_t after_turn(void) {
    uint8_t own_fell = word_at(mine()->hp) == 0, enemy_fell = word_at(theirs()->hp) == 0;

    if (own_fell) {
        fall(1);
    }
    if (enemy_fell) {
        fall(0);
    }
    if (standing(PARTY) == 0) {
        return LOST;
    }
    if (standing(ENEMIES) == 0) {
        return WON;
    }
    if (own_fell) {
        own = choose_member(own, 1);
        show_active(own, enemy);
        show_scene();
        if (enemy_fell) {
            hide(0);
        }
        send_own(own);
    }
    if (enemy_fell) {
        send_enemy(next_enemy());
    }
    return GOES_ON;
}

static uint8_t enemy_turn(void) {
    attack(0, choose_move(theirs(), mine(), round ? rounds[round].skill : 48));
    return after_turn();
}

static uint8_t fight(uint8_t slot) {
    uint8_t first = own_is_first(mine(), theirs());
    uint8_t answer = choose_move(theirs(), mine(), round ? rounds[round].skill : 48);

    attack(first, first ? slot : answer);
    if (!somebody_fell()) {
        attack(!first, first ? answer : slot);
    }
    return after_turn();
}

static uint8_t throw_trap(void) {
    uint8_t swings, kept;

    TRAPS--;
    say("YOU THROW A TRAP!", "", "", "");
    show_trap();
    kept = random8() < catch_chance(theirs());
    for (swings = 0; swings < 3; swings++) {
        swing_trap();
        if (!kept && random8() & 1) {
            break;
        }
    }
    if (!kept) {
        show_enemy();
        say(whose(0), name_of(theirs()), "BROKE FREE!", "");
        wait_button();
        return enemy_turn();
    }
    next_frame();
    kept = keep(theirs());
    say("GOT IT! ", name_of(theirs()), kept == 1 ? "JOINS YOUR PARTY." : "GOES TO YOUR BOX.", "");
    wait_button();
    return LEFT;
}

static uint8_t trap(void) {
    if (round) {
        say("NO TRAPS IN DUELS!", "", "", "");
    } else if (TRAPS == 0) {
        say("NO TRAPS LEFT!", "", "", "");
    } else if (PARTY_COUNT >= PARTY_MOST && BOX_COUNT >= BOX_MOST) {
        say("YOUR BOX IS FULL!", "", "", "");
    } else {
        return throw_trap();
    }
    wait_button();
    return GOES_ON;
}

static uint8_t run(void) {
    if (round) {
        say("NO RUNNING FROM", "", "A DUEL!", "");
        wait_button();
        return GOES_ON;
    }
    if (runs_away(mine(), theirs())) {
        say("YOU GOT AWAY.", "", "", "");
        wait_button();
        return LEFT;
    }
    say("NO WAY OUT!", "", "", "");
    wait_button();
    return enemy_turn();
}

static uint8_t turn(void) {
    uint8_t slot;

    for (;;) {
        show_active(own, enemy);
        switch (choose_from_battle_menu()) {
        case MENU_FIGHT:
            if (!has_uses(mine())) {
                return fight(NO_SLOT);
            }
            slot = choose_own_move(mine());
            if (slot != CANCELLED) {
                return fight(slot);
            }
            break;
        case MENU_TRAP:
            return trap();
        case MENU_SWITCH:
            slot = choose_member(own, 0);
            show_scene();
            if (slot != CANCELLED) {
                say("COME BACK, ", "", name_of(mine()), "!");
                pause(20);
                send_own(slot);
                return enemy_turn();
            }
            break;
        case MENU_RUN:
            return run();
        }
    }
}

uint8_t battle(uint8_t against) {
    uint8_t state = GOES_ON;

    round = against;
    enemy = 0;
    for (own = 0; word_at(PARTY[own].hp) == 0; own++) {
    }
    show_active(own, enemy);
    show_scene();
    next_frame();
    BATTLE_TYPE = 0;
    IN_BATTLE = round ? BATTLE_TRAINER : BATTLE_WILD;
    if (round) {
        say(rounds[round].name, " STARTS", "WITH ", name_of(theirs()));
    } else {
        say("A WILD ", name_of(theirs()), "APPEARS!", "");
    }
    wait_button();
    while (state == GOES_ON) {
        state = turn();
    }
    if (state == LOST) {
        IN_BATTLE = BATTLE_LOST;
        say("ALL OF YOURS ARE", "", "OUT. YOU LOST.", "");
    } else if (state == WON) {
        say(round ? "YOU BEAT " : "YOU WON.", rounds[round].name, round ? "YOUR PARTY LEARNS" : "", "");
    }
    if (state != LEFT) {
        wait_button();
    }
    IN_BATTLE = BATTLE_NONE;
    return state != LOST;
}
