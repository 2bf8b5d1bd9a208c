/* Score, lines and level.  MIT licence, see LICENSE at the root of the repository. */
#ifndef SCORE_H
#define SCORE_H

#include <stdint.h>

#define LAST_LEVEL 20

/* Nothing yet, at a level of 0 to 9. */
void begin_score(uint8_t level);

/* 1 to 4 rows at once: 40, 100, 300 or 1200 points, times level + 1; then every tenth line raises the level (one that
   the game began with lasts until the lines have caught up). */
void score_rows(uint8_t rows);

/* A point for every row that a piece was pushed down, once it lies. */
void score_push(uint8_t rows);

#endif
