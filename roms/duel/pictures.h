/* What pictures.py draws.  MIT licence, see LICENSE at the root of the repository. */
#ifndef PICTURES_H
#define PICTURES_H

#include <stdint.h>

#define PICTURE_BYTES (6 * 6 * 16)

extern const uint8_t pictures[][PICTURE_BYTES]; /* by number of the species, less 1; see pictures.py */

#endif
