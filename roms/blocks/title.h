/* What comes before a game.  MIT licence, see LICENSE at the root of the repository. */
#ifndef TITLE_H
#define TITLE_H

#include <stdint.h>

/* Until START is pressed. */
void show_title(void);

/* The level that is chosen with the directions when START is pressed. */
uint8_t choose_level(void);

#endif
