/* MIT licence, see LICENSE at the root of the repository. */
#include "score.h"
#include "memory.h"

/* Add to count bytes of two decimal digits, the lowest first; all nines is the most. */
static void add(volatile uint8_t *digits, uint8_t count, uint8_t low, uint8_t high) {
    uint8_t carry = 0, added = low;
    for (uint8_t index = 0; index < count; index++) {
        uint8_t units = (digits[index] & 0x0F) + (added & 0x0F) + carry;
        uint8_t tens = (digits[index] >> 4) + (added >> 4);
        if (units > 9) {
            units -= 10;
            tens++;
        }
        carry = tens > 9;
        if (carry) tens -= 10;
        digits[index] = tens << 4 | units;
        added = index ? 0 : high;
    }
    if (carry)
        for (uint8_t index = 0; index < count; index++) digits[index] = 0x99;
}

void begin_score(uint8_t level) {
    SCORE[0] = SCORE[1] = SCORE[2] = 0;
    LINES[0] = LINES[1] = 0;
    LEVEL = level;
}

void score_rows(uint8_t rows) {
    static const uint8_t low[] = {0x40, 0x00, 0x00, 0x00};
    static const uint8_t high[] = {0x00, 0x01, 0x03, 0x12};
    for (uint8_t times = LEVEL + 1; times; times--) add(SCORE, 3, low[rows - 1], high[rows - 1]);
    add(LINES, 2, rows, 0);
    uint8_t reached = 10 * (LINES[1] & 0x0F) + (LINES[0] >> 4);
    if (LINES[1] > 0x02) reached = LAST_LEVEL;
    if (LEVEL < reached && LEVEL < LAST_LEVEL) LEVEL++;
}

void score_push(uint8_t rows) {
    uint8_t tens = 0;
    for (; rows > 9; rows -= 10) tens++;
    add(SCORE, 3, tens << 4 | rows, 0);
}
