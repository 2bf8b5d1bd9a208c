;; What runs before main() and in every VBlank.  MIT licence, see LICENSE at the root of the repository.
;;
;; The VBlank interrupt copies the shadow sprites (C000-C09F) to the screen and writes the queued background tiles: all
;; that must happen while the screen is not being drawn, so nothing else needs to watch the clock. A frame begins for the
;; game when line 1 is drawn, which leaves it 143 lines to be done before its picture is taken over. An emulator that
;; stops between two frames (line 153 to 0) then never sees memory that is half written.

        .module crt0
        .globl  _main, _frames, _queued, _queue
        .globl  s__DATA, l__DATA, s__INITIALIZED, s__INITIALIZER, l__INITIALIZER

        .area   _HEADER (ABS)
        .org    0x00            ; rst and what falls into empty memory (FF is rst 38)
        jp      init
        .org    0x38
        jp      init
        .org    0x40
        jp      vblank
        .org    0x48            ; a line is reached, line 1
        jp      line_one
        .org    0x50
        reti
        .org    0x58
        reti
        .org    0x60
        reti
        .org    0x100           ; makebin fills in logo, title and checksums
        nop
        jp      init
        .org    0x146
        .db     0               ; no Super Game Boy
        .org    0x14c
        .db     0               ; version
        .org    0x150
init:
        di
        ld      sp, #0xe000
        xor     a
        ldh     (0x26), a       ; sound off
wait:   ldh     a, (0x44)       ; the screen may be turned off in VBlank only
        cp      #144
        jr      c, wait
        xor     a
        ldh     (0x40), a
        ldh     (0x42), a       ; no scrolling
        ldh     (0x43), a

        ld      hl, #0x8000     ; clear video memory
        ld      bc, #0x2000
        call    clear
        ld      hl, #0xc000     ; clear work memory, short of the return address
        ld      bc, #0x1ff0
        call    clear
        ld      hl, #0xff80
        ld      bc, #0x007f
        call    clear

        ld      hl, #dma        ; sprites are copied by a routine in high memory: the rest is shut off meanwhile
        ld      de, #0xff80
        ld      b, #(dma_end - dma)
1$:     ld      a, (hl+)
        ld      (de), a
        inc     de
        dec     b
        jr      nz, 1$

        ld      bc, #l__INITIALIZER
        ld      hl, #s__INITIALIZER
        ld      de, #s__INITIALIZED
2$:     ld      a, b
        or      a, c
        jr      z, 3$
        ld      a, (hl+)
        ld      (de), a
        inc     de
        dec     bc
        jr      2$
3$:
        ld      a, #0x40        ; interrupts of VBlank, and of line 1
        ldh     (0x41), a
        ld      a, #1
        ldh     (0x45), a
        xor     a
        ldh     (0x0f), a
        ld      a, #3
        ldh     (0xff), a
        ei
        call    _main
        jp      init

clear:                          ; bc bytes from hl on
        ld      (hl), #0
        inc     hl
        dec     bc
        ld      a, b
        or      a, c
        jr      nz, clear
        ret

dma:
        ld      a, #0xc0
        ldh     (0x46), a
        ld      a, #40          ; 160 cycles
4$:     dec     a
        jr      nz, 4$
        ret
dma_end:

vblank:
        push    af
        push    bc
        push    de
        push    hl
        call    0xff80
        ld      hl, #_queued    ; count of (address high, address low, tile)
        ld      a, (hl)
        or      a, a
        jr      z, 6$
        ld      b, a
        ld      (hl), #0
        ld      hl, #_queue
5$:     ld      a, (hl+)
        ld      d, a
        ld      a, (hl+)
        ld      e, a
        ld      a, (hl+)
        ld      (de), a
        dec     b
        jr      nz, 5$
6$:     pop     hl
        pop     de
        pop     bc
        pop     af
        reti

line_one:
        push    af
        push    hl
        ld      hl, #_frames
        inc     (hl)
        jr      nz, 7$
        inc     hl
        inc     (hl)
7$:     pop     hl
        pop     af
        reti

        ;; The linker lays the areas out in this order.
        .area   _HOME
        .area   _CODE
        .area   _INITIALIZER
        .area   _GSINIT
        .area   _GSFINAL
        .area   _DATA
        .area   _INITIALIZED
        .area   _BSEG
        .area   _BSS
        .area   _HEAP

        .area   _CODE
_wait_for_frame::               ; sleep until the frame count moves on from what it was at the last call
1$:     di                      ; no interrupt between looking and sleeping
        ld      a, (_frames)
        ld      hl, #last
        cp      a, (hl)
        jr      nz, 2$
        halt                    ; wakes with any interrupt pending
        nop
        ei
        nop
        jr      1$
2$:     ld      (hl), a
        ei
        ret

        .area   _DATA
last:   .ds     1
