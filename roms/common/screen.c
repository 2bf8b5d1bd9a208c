/* MIT licence, see LICENSE at the root of the repository. */
#include "screen.h"
#include "gb.h"
#include "joypad.h"

#define QUEUE 56 /* what the interrupt can write within VBlank, beside the sprites */
#define LCD_ON 0x80
#define TILES_FROM_8000 0x10
#define SPRITES_ON 0x02
#define BACKGROUND_ON 0x01

extern const uint8_t font[];
void wait_for_frame(void);

Sprite __at(0xC000) sprites[SPRITES];
volatile uint16_t frames;
volatile uint8_t queued;
uint8_t queue[3 * QUEUE];

void next_frame(void) {
    wait_for_frame();
    read_joypad();
}

void screen_off(void) {
    if (LCDC & LCD_ON) {
        while (LY < 144) { /* at any other time it harms the screen */
        }
        LCDC = 0;
    }
}

void screen_on(void) {
    BGP = OBP0 = OBP1 = 0xE4; /* shade = colour number, 0 the lightest */
    LCDC = LCD_ON | TILES_FROM_8000 | SPRITES_ON | BACKGROUND_ON;
}

void load_tiles(uint8_t first, uint8_t count, const uint8_t *data) {
    uint8_t *to = VRAM_TILES + 16 * (uint16_t)first;
    for (uint16_t left = 16 * (uint16_t)count; left; left--) *to++ = *data++;
}

void load_font(void) {
    const uint8_t *from = font;
    uint8_t *to = VRAM_TILES + 16 * 0x20;
    for (uint16_t left = 8 * 96; left; left--) {
        *to++ = *from;
        *to++ = *from++;
    }
}

uint8_t room(void) { return LCDC & LCD_ON ? QUEUE - queued : 255; }

static void put(uint8_t *to, uint8_t tile) {
    if (!(LCDC & LCD_ON)) {
        *to = tile;
        return;
    }
    while (queued == QUEUE) wait_for_frame();
    __asm__("di");
    uint8_t *entry = queue + queued + queued + queued;
    *entry++ = (uint16_t)to >> 8;
    *entry++ = (uint8_t)(uint16_t)to;
    *entry = tile;
    queued++;
    __asm__("ei");
}

static uint8_t *place(uint8_t x, uint8_t y) { return TILE_MAP + ((uint16_t)y << 5) + x; }

void put_tile(uint8_t x, uint8_t y, uint8_t tile) { put(place(x, y), tile); }

void put_tiles(uint8_t x, uint8_t y, uint8_t count, const uint8_t *tiles) {
    for (uint8_t *to = place(x, y); count; count--) put(to++, *tiles++);
}

void put_text(uint8_t x, uint8_t y, const char *text) {
    for (; *text; text++) put_tile(x++, y, *text);
}

void fill(uint8_t x, uint8_t y, uint8_t width, uint8_t height, uint8_t tile) {
    for (; height; height--, y++) {
        uint8_t *to = place(x, y);
        for (uint8_t column = width; column; column--) put(to++, tile);
    }
}

void put_picture(uint8_t x, uint8_t y, uint8_t width, uint8_t height, uint8_t first) {
    for (uint8_t row = 0; row < height; row++)
        for (uint8_t column = 0; column < width; column++) put_tile(x + column, y + row, first++);
}

void put_number(uint8_t x, uint8_t y, uint16_t number, uint8_t width) {
    for (uint8_t column = width; column; column--) {
        put_tile(x + column - 1, y, number || column == width ? '0' + number % 10 : ' ');
        number /= 10;
    }
}

void put_bcd(uint8_t x, uint8_t y, const volatile uint8_t *digits, uint8_t count) {
    uint8_t begun = 0;
    for (uint8_t place = 2 * count; place; place--) {
        uint8_t pair = digits[(place - 1) / 2];
        uint8_t digit = place & 1 ? pair & 0x0F : pair >> 4;
        begun |= digit || place == 1;
        put_tile(x++, y, begun ? '0' + digit : ' ');
    }
}

void place_sprite(uint8_t index, uint8_t x, uint8_t y, uint8_t tile) {
    Sprite *sprite = sprites + index;
    sprite->y = y + 16;
    sprite->x = x + 8;
    sprite->tile = tile;
    sprite->flags = 0;
}

void hide_sprites(void) {
    for (uint8_t index = 0; index < SPRITES; index++) sprites[index].y = 0;
}
