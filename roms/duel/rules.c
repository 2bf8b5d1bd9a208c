/* MIT licence, see LICENSE at the root of the repository. */
#include "rules.h"

#include "chance.h"

uint8_t random8(void) {
    return (uint8_t)(random16() >> 8);
}

uint16_t word_at(const volatile uint8_t *bytes) {
    return ((uint16_t)bytes[0] << 8) | bytes[1];
}

void set_word(volatile uint8_t *bytes, uint16_t value) {
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static uint16_t grown(uint8_t base, uint8_t level) {
    return (uint16_t)base * level / 25;
}

void make_monster(Monster *monster, uint8_t number, uint8_t level) {
    const Species *kind = species + number;
    uint8_t slot;

    for (slot = 0; slot < sizeof(Monster); slot++) {
        ((uint8_t *)monster)[slot] = 0;
    }
    monster->species = number;
    monster->level = monster->kept_level = level;
    monster->types[0] = monster->types[1] = kind->type;
    monster->catch_rate = kind->catch_rate;
    for (slot = 0; slot < 4; slot++) {
        monster->moves[slot] = kind->moves[slot];
    }
    set_word(monster->max_hp, 10 + level + grown(kind->hp, level));
    set_word(monster->attack, 5 + grown(kind->attack, level));
    set_word(monster->defense, 5 + grown(kind->defense, level));
    set_word(monster->speed, 5 + grown(kind->speed, level));
    heal(monster);
}

void heal(Monster *monster) {
    uint8_t slot;

    monster->hp[0] = monster->max_hp[0];
    monster->hp[1] = monster->max_hp[1];
    monster->status = 0;
    for (slot = 0; slot < 4; slot++) {
        monster->uses[slot] = moves[monster->moves[slot]].uses;
    }
}

uint8_t standing(const Monster *side) {
    uint8_t slot, count = 0;

    for (slot = 0; slot < PARTY_MOST; slot++) {
        count += word_at(side[slot].hp) != 0;
    }
    return count;
}

void show_active(uint8_t own, uint8_t enemy) {
    const Monster *mine = PARTY + own, *theirs = ENEMIES + enemy;
    uint8_t byte;

    ACTIVE_OWN_SLOT = own;
    ACTIVE_ENEMY_SLOT = enemy;
    ACTIVE_OWN[0] = mine->species;
    ACTIVE_ENEMY[0] = theirs->species;
    ACTIVE_ENEMY_STATUS = theirs->status;
    ACTIVE_ENEMY_LEVEL = theirs->level;
    for (byte = 0; byte < 2; byte++) {
        ACTIVE_OWN[1 + byte] = mine->hp[byte];
        ACTIVE_ENEMY[1 + byte] = theirs->hp[byte];
        ACTIVE_ENEMY_MAX_HP[byte] = theirs->max_hp[byte];
    }
}

uint8_t fit_of(uint8_t attack_type, uint8_t defense_type) { /* brass over string over reed over brass */
    if (attack_type == PLAIN || defense_type == PLAIN || attack_type == defense_type) {
        return NEUTRAL;
    }
    return defense_type == (attack_type + 2) % 3 ? STRONG : WEAK;
}

uint16_t damage_of(const Monster *attacker, const Monster *defender, uint8_t move, uint8_t luck) {
    const Move *made = moves + move;
    uint16_t damage;
    uint8_t fit = fit_of(made->type, defender->types[0]);

    if (made->power == 0) {
        return 0;
    }
    damage = (uint16_t)made->power * (attacker->level * 2 / 5 + 2) / 4;
    damage = (uint16_t)((uint32_t)damage * word_at(attacker->attack) / word_at(defender->defense)) / 10 + 2;
    if (made->type == attacker->types[0]) {
        damage += damage / 2;
    }
    if (fit == STRONG) {
        damage *= 2;
    } else if (fit == WEAK) {
        damage /= 2;
    }
    damage = (uint16_t)((uint32_t)damage * luck / 255);
    return damage ? damage : 1;
}

void aim(const Monster *attacker, const Monster *defender, uint8_t move, Outcome *outcome) {
    const Move *made = moves + move;
    uint16_t hp = word_at(defender->hp);

    outcome->damage = outcome->harm = outcome->sleep = 0;
    outcome->fit = NEUTRAL;
    outcome->missed = made->accuracy != 255 && random8() >= made->accuracy;
    if (made->effect == SLEEP && defender->status) {
        outcome->missed = 1;
    }
    if (outcome->missed) {
        return;
    }
    if (made->effect == SLEEP) {
        outcome->sleep = 2 + random_below(3);
        return;
    }
    outcome->fit = fit_of(made->type, defender->types[0]);
    outcome->damage = damage_of(attacker, defender, move, 217 + random_below(39));
    if (outcome->damage > hp) {
        outcome->damage = hp;
    }
    if (made->effect == RECOIL) {
        outcome->harm = outcome->damage / 4 + 1;
    } else if (made->effect == BURST) {
        outcome->harm = 0xFFFF;
    }
}

static void lose(Monster *monster, uint16_t damage) {
    uint16_t hp = word_at(monster->hp);

    set_word(monster->hp, damage < hp ? hp - damage : 0);
}

void strike(Monster *attacker, Monster *defender, const Outcome *outcome) {
    lose(defender, outcome->damage);
    lose(attacker, outcome->harm);
    defender->status += outcome->sleep;
}

uint8_t has_uses(const Monster *monster) {
    return monster->uses[0] || monster->uses[1] || monster->uses[2] || monster->uses[3];
}

static uint16_t worth(const Monster *attacker, const Monster *defender, uint8_t move) {
    uint16_t damage, hp = word_at(defender->hp);

    if (moves[move].effect == SLEEP) {
        damage = defender->status ? 0 : hp / 3;
    } else {
        damage = damage_of(attacker, defender, move, 236);
    }
    if (damage > hp) {
        damage = hp;
    }
    return (uint16_t)((uint32_t)damage * moves[move].accuracy >> 4);
}

uint8_t choose_move(const Monster *attacker, const Monster *defender, uint8_t skill) {
    uint8_t slot, best = 0xFF, clever = random8() < skill;
    uint16_t most = 0, value;
    uint8_t healthy = word_at(attacker->hp) > word_at(attacker->max_hp) / 4;

    for (slot = 0; slot < 4; slot++) {
        if (attacker->uses[slot] == 0 || (moves[attacker->moves[slot]].effect == BURST && healthy)) {
            continue;
        }
        value = clever ? worth(attacker, defender, attacker->moves[slot]) : random8();
        if (best == 0xFF || value > most) {
            best = slot;
            most = value;
        }
    }
    return best;
}

uint8_t own_is_first(const Monster *own, const Monster *enemy) {
    uint16_t mine = word_at(own->speed), theirs = word_at(enemy->speed);

    return mine == theirs ? random8() & 1 : mine > theirs;
}

uint8_t catch_chance(const Monster *monster) {
    uint16_t most = word_at(monster->max_hp), missing = most - word_at(monster->hp);
    uint16_t chance = (uint32_t)monster->catch_rate * missing * missing / ((uint32_t)most * most) + 8;

    if (monster->status) {
        chance += 40;
    }
    return chance < 255 ? (uint8_t)chance : 255;
}

uint8_t is_owned(uint8_t number) {
    return OWNED[(number - 1) >> 3] >> ((number - 1) & 7) & 1;
}

void set_owned(uint8_t number) {
    OWNED[(number - 1) >> 3] |= 1 << ((number - 1) & 7);
}

uint8_t keep(const Monster *monster) {
    uint8_t byte, slot = PARTY_COUNT, place;

    if (slot < PARTY_MOST && (!is_owned(monster->species) || BOX_COUNT >= BOX_MOST)) {
        for (byte = 0; byte < sizeof(Monster); byte++) {
            ((uint8_t *)(PARTY + slot))[byte] = ((const uint8_t *)monster)[byte];
        }
        PARTY_SPECIES[slot] = monster->species;
        PARTY_SPECIES[slot + 1] = 0xFF;
        PARTY_COUNT = slot + 1;
        place = 1;
    } else if (BOX_COUNT < BOX_MOST) {
        slot = BOX_COUNT;
        BOX_SPECIES[slot] = monster->species;
        BOX_SPECIES[slot + 1] = 0xFF;
        BOX_COUNT = slot + 1;
        place = 2;
    } else {
        return 0;
    }
    set_owned(monster->species);
    return place;
}

uint8_t runs_away(const Monster *own, const Monster *enemy) {
    return word_at(own->speed) >= word_at(enemy->speed) || random8() & 1;
}
