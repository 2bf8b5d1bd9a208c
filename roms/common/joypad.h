/* Buttons: what is held in this frame, and what was not in the one before.  MIT licence, see LICENSE at the root. */
#ifndef JOYPAD_H
#define JOYPAD_H

#include <stdint.h>

#define BUTTON_A 0x01
#define BUTTON_B 0x02
#define SELECT 0x04
#define START 0x08
#define RIGHT 0x10
#define LEFT 0x20
#define UP 0x40
#define DOWN 0x80

extern uint8_t held, pressed;

/* next_frame() calls it. */
void read_joypad(void);

#endif
