/* MIT licence, see LICENSE at the root of the repository. */
#include "creatures.h"

const char type_names[4][7] = {"BRASS", "REED", "STRING", "PLAIN"};

const Move moves[] = {
    {"", PLAIN, 0, 0, 0, NO_EFFECT},
    {"TAP", PLAIN, 20, 255, 30, NO_EFFECT},
    {"BLARE", BRASS, 50, 242, 15, NO_EFFECT},
    {"FANFARE", BRASS, 80, 192, 6, NO_EFFECT},
    {"CHIRP", REED, 50, 242, 15, NO_EFFECT},
    {"SQUALL", REED, 80, 192, 6, NO_EFFECT},
    {"PLUCK", STRING, 50, 242, 15, NO_EFFECT},
    {"GLISSADE", STRING, 80, 192, 6, NO_EFFECT},
    {"CRASH", PLAIN, 90, 230, 8, RECOIL},
    {"BURST", PLAIN, 200, 255, 2, BURST},
    {"HUSH", PLAIN, 0, 180, 8, SLEEP},
};

const Species species[] = {
    {"", PLAIN, 0, 0, 0, 0, 0, {NO_MOVE, NO_MOVE, NO_MOVE, NO_MOVE}},
    {"TUBBOL", BRASS, 70, 50, 60, 25, 230, {TAP, BLARE, PLUCK, BURST_MOVE}},
    {"HORNIK", BRASS, 50, 65, 40, 60, 220, {BLARE, FANFARE, PLUCK, CRASH}},
    {"PIPWIG", REED, 45, 55, 40, 75, 240, {TAP, CHIRP, BLARE, HUSH}},
    {"OBOWL", REED, 60, 60, 50, 45, 220, {CHIRP, SQUALL, BLARE, HUSH}},
    {"LYRAK", STRING, 55, 65, 45, 65, 220, {TAP, PLUCK, GLISSADE, CHIRP}},
    {"CELLUX", STRING, 75, 55, 60, 30, 230, {PLUCK, CHIRP, CRASH, HUSH}},
    {"GONGLE", BRASS, 60, 70, 70, 20, 200, {TAP, FANFARE, CRASH, BURST_MOVE}},
};
