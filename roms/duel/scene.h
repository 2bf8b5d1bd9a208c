/* The picture of a battle: both active creatures, their names and gauges.  MIT licence, see LICENSE at the root. */
#ifndef SCENE_H
#define SCENE_H

#include <stdint.h>

void show_scene(void); /* all of it, of the active ones */
void show_own(void);
void show_enemy(void);
void show_state(uint8_t of_own); /* name, level, asleep or not, gauge */
void hide(uint8_t of_own);
void shake(uint8_t of_own); /* it was hit */
void drop(uint8_t of_own);  /* it fainted */
void drain(uint8_t of_own); /* the gauge follows the HP */
void show_trap(void);
void swing_trap(void);

#endif
