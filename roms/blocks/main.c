/* Hocket Blocks: falling blocks for the Game Boy.  MIT licence, see LICENSE at the root of the repository. */
#include "memory.h"
#include "play.h"
#include "sound.h"
#include "title.h"

void main(void) {
    GAME_STATE = TITLE;
    sound_on();
    show_title();
    for (;;) play(choose_level());
}
