#include "gb.h"
#include "screen.h"
#include "joypad.h"
volatile uint8_t __at(0xFFE1) state;
void main(void) {
  state = 7;
  screen_off();
  load_font();
  for (uint8_t i = 0; i < 96; i++) put_tile(1 + i % 16, 1 + i / 16, 0x20 + i);
  screen_on();
  put_text(1, 10, "Hocket Blocks 0.1?");
  for (;;) { next_frame(); put_number(1, 12, frames, 5); put_number(7,12,held,3); put_number(11,12,pressed,3);}
}
