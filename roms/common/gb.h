/* The Game Boy's hardware registers.  MIT licence, see LICENSE at the root of the repository. */
#ifndef GB_H
#define GB_H

#include <stdint.h>

volatile __sfr __at(0x00) P1;   /* joypad */
volatile __sfr __at(0x04) DIV;  /* counts up at 16,384 Hz */
volatile __sfr __at(0x0F) IF;
volatile __sfr __at(0x10) NR10; /* sound: channel 1 */
volatile __sfr __at(0x11) NR11;
volatile __sfr __at(0x12) NR12;
volatile __sfr __at(0x13) NR13;
volatile __sfr __at(0x14) NR14;
volatile __sfr __at(0x24) NR50;
volatile __sfr __at(0x25) NR51;
volatile __sfr __at(0x26) NR52;
volatile __sfr __at(0x40) LCDC;
volatile __sfr __at(0x41) STAT;
volatile __sfr __at(0x42) SCY;
volatile __sfr __at(0x43) SCX;
volatile __sfr __at(0x44) LY;
volatile __sfr __at(0x47) BGP;
volatile __sfr __at(0x48) OBP0;
volatile __sfr __at(0x49) OBP1;
volatile __sfr __at(0x4A) WY;
volatile __sfr __at(0x4B) WX;
volatile __sfr __at(0xFF) IE;

#define VRAM_TILES ((uint8_t *)0x8000)
#define TILE_MAP ((uint8_t *)0x9800) /* 32 x 32, of which 20 x 18 are seen */

#endif
