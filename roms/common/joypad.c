/* MIT licence, see LICENSE at the root of the repository. */
#include "joypad.h"
#include "gb.h"

uint8_t held, pressed;

void read_joypad(void) {
    uint8_t now, before = held;
    P1 = 0x20; /* directions; the lines need a moment to settle */
    now = P1;
    now = P1;
    now = P1 << 4;
    P1 = 0x10; /* buttons */
    held = P1;
    held = P1;
    held = P1;
    held = P1;
    held = ~(now | (P1 & 0x0F));
    P1 = 0x30;
    pressed = held & ~before;
}
