/* SPDX-License-Identifier: Apache-2.0 */
/* data/digits_impl.h -- writing decimal digits two at a time; private to data/. */
#pragma once

#include <stdint.h>
#include <string.h>

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

/* n < 100. */
static inline void
put_two(char *p, unsigned n)
{
    memcpy(p, digit_pairs + n * 2, 2);
}

/* n < 10000. */
static inline void
put_four(char *p, unsigned n)
{
    put_two(p, n / 100);
    put_two(p + 2, n % 100);
}
