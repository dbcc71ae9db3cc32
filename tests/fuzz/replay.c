/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/replay.c -- main() of a target without libFuzzer: every file of its corpus, each cut short at several places, and
 * MUTATIONS seeded changes of it.
 *
 *   TARGET CORPUS_DIR [MUTATIONS [SEED]]
 */
#include "base/random.h"
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 1 << 20 };

static uint8_t bytes[BYTES_MAX], changed[BYTES_MAX];

/* Flip, set, insert, delete, repeat: a few of them at random places. */
static size_t
mutate(wr_random *r, size_t size)
{
    static const char *const words[] = { "\"", "{",       "}",        "[",
                                         "]",  "\\u0000", "\xff",     "99999999999999999999",
                                         "-",  "e999",    "null",     "(",
                                         "'",  ";",       "\0\0\0\0", "\xdf\xff\xff\xff\xff" };
    memcpy(changed, bytes, size);
    for (uint64_t k = wr_random_below(r, 6) + 1; k > 0; k--) {
        size_t at = size > 0 ? wr_random_below(r, size) : 0, n = wr_random_below(r, 16) + 1;
        switch (wr_random_below(r, 4)) {
        case 0:
            if (size > 0)
                changed[at] ^= (uint8_t)(1 << wr_random_below(r, 8));
            break;
        case 1:
            if (size > at + n) {
                memmove(changed + at, changed + at + n, size - at - n);
                size -= n;
            }
            break;
        case 2:
            if (size + n < BYTES_MAX && at + n <= size) {
                memmove(changed + at + n, changed + at, size - at);
                size += n;
            }
            break;
        default: {
            const char *word = words[wr_random_below(r, sizeof words / sizeof words[0])];
            size_t length = strlen(word) > 0 ? strlen(word) : 4;
            if (size + length < BYTES_MAX) {
                memmove(changed + at + length, changed + at, size - at);
                memcpy(changed + at, word, length);
                size += length;
            }
        }
        }
    }
    return size;
}

int
main(int argc, char **argv)
{
    long mutations = argc > 2 ? atol(argv[2]) : 200, runs = 0;
    wr_random random;
    DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
    struct dirent *e;
    if (dir == NULL) {
        fprintf(stderr, "usage: %s CORPUS_DIR [MUTATIONS [SEED]]\n", argv[0]);
        return 2;
    }
    wr_random_init(&random, argc > 3 ? strtoull(argv[3], NULL, 10) : 1);
    while ((e = readdir(dir)) != NULL) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        FILE *f = e->d_name[0] != '.' ? fopen(path, "re") : NULL;
        if (f == NULL)
            continue;
        size_t size = fread(bytes, 1, BYTES_MAX, f);
        fclose(f);
        for (size_t cut = 0; cut <= size; cut += size / 20 + 1, runs++)
            LLVMFuzzerTestOneInput(bytes, cut);
        LLVMFuzzerTestOneInput(bytes, size);
        for (long m = 0; m < mutations; m++, runs++)
            LLVMFuzzerTestOneInput(changed, mutate(&random, size));
    }
    closedir(dir);
    printf("%s: %ld inputs\n", argv[0], runs);
    return 0;
}
