/* The rules of a battle, over the state in memory; nothing of screen or buttons.  MIT licence, see LICENSE at the root. */
#ifndef RULES_H
#define RULES_H

#include "creatures.h"
#include "memory.h"

enum { NEUTRAL, STRONG, WEAK };

typedef struct {
    uint8_t missed;
    uint8_t fit;     /* NEUTRAL, STRONG, WEAK */
    uint8_t sleep;   /* the defender's turns asleep */
    uint16_t damage; /* to the defender */
    uint16_t harm;   /* to the attacker itself */
} Outcome;

uint8_t random8(void);

uint16_t word_at(const volatile uint8_t *bytes);
void set_word(volatile uint8_t *bytes, uint16_t value);

void make_monster(Monster *monster, uint8_t number, uint8_t level);
void heal(Monster *monster);
uint8_t standing(const Monster *side); /* how many have HP left */
void show_active(uint8_t own, uint8_t enemy); /* writes the fields of the active ones */

uint8_t fit_of(uint8_t attack_type, uint8_t defense_type);
uint16_t damage_of(const Monster *attacker, const Monster *defender, uint8_t move, uint8_t luck);
void aim(const Monster *attacker, const Monster *defender, uint8_t move, Outcome *outcome);
void strike(Monster *attacker, Monster *defender, const Outcome *outcome); /* quick: both lose their HP at once */
uint8_t has_uses(const Monster *monster);
uint8_t choose_move(const Monster *attacker, const Monster *defender, uint8_t skill); /* slot of the move, or 0xFF */
uint8_t own_is_first(const Monster *own, const Monster *enemy);

uint8_t catch_chance(const Monster *monster); /* of 256 */
uint8_t is_owned(uint8_t number);
void set_owned(uint8_t number);
/* The first of a kind joins the party while there is room (1), others go to the box (2); 0: no room anywhere. */
uint8_t keep(const Monster *monster);
uint8_t runs_away(const Monster *own, const Monster *enemy);

#endif
