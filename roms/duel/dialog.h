/* What is asked and told in a battle: texts that come letter by letter, and menus. Random numbers go on with each frame
   that passes here, so that they depend on when buttons are pressed.  MIT licence, see LICENSE at the root. */
#ifndef DIALOG_H
#define DIALOG_H

#include "memory.h"

#define CANCELLED 0xFF
enum { MENU_FIGHT, MENU_TRAP, MENU_SWITCH, MENU_RUN };

void say(const char *first, const char *rest, const char *second, const char *second_rest); /* two lines */
void pause(uint8_t frames);
void wait_button(void); /* A or B */
uint8_t choose_from_battle_menu(void);
uint8_t choose_own_move(const Monster *monster); /* slot, or CANCELLED */
uint8_t choose_member(uint8_t active, uint8_t forced); /* of the party, on a screen of its own; slot, or CANCELLED */

#endif
