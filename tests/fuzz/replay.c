/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/replay.c -- main() of a target without libFuzzer: every file of its corpus, each cut short at several places, and
 * MUTATIONS seeded changes of it, some with words of its dictionary (libFuzzer's format without names).
 *
 *   TARGET CORPUS_DIR [MUTATIONS [SEED [DICTIONARY]]]
 */
#include "base/random.h"
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MAX = 1 << 20, WORDS_MAX = 256, WORD_BYTES_MAX = 256 };

static uint8_t bytes[BYTES_MAX], changed[BYTES_MAX];

static struct {
    char text[WORD_BYTES_MAX];
    size_t length;
} words[WORDS_MAX];
static size_t word_count;

static void
word_add(const char *text, size_t length)
{
    if (word_count == WORDS_MAX || length == 0 || length > WORD_BYTES_MAX)
        return;
    memcpy(words[word_count].text, text, length);
    words[word_count++].length = length;
}

static void
words_init(void)
{
    static const char *const common[] = { "\"",
                                          "{",
                                          "}",
                                          "[",
                                          "]",
                                          "\\u0000",
                                          "\xff",
                                          "99999999999999999999",
                                          "-",
                                          "e999",
                                          "null",
                                          "(",
                                          "'",
                                          ";",
                                          "\xdf\xff\xff\xff\xff" };
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        word_add(common[i], strlen(common[i]));
    word_add("\0\0\0\0", 4);
}

/* Lines of "text" with \\, \" and \xNN; false: it cannot be read. */
static bool
words_read(const char *path)
{
    char line[1024], word[1024];
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    while (fgets(line, sizeof line, f) != NULL) {
        size_t n = 0;
        unsigned code;
        if (line[0] != '"')
            continue;
        for (const char *p = line + 1; *p != '"' && *p != '\0';)
            if (p[0] == '\\' && p[1] == 'x' && sscanf(p + 2, "%2x", &code) == 1) {
                word[n++] = (char)code;
                p += 4;
            } else {
                p += *p == '\\';
                word[n++] = *p++;
            }
        word_add(word, n);
    }
    fclose(f);
    return true;
}

/* Flip, set, insert, delete, repeat: a few of them at random places. */
static size_t
mutate(wr_random *r, size_t size)
{
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
            size_t word = wr_random_below(r, word_count), length = words[word].length;
            if (size + length < BYTES_MAX) {
                memmove(changed + at + length, changed + at, size - at);
                memcpy(changed + at, words[word].text, length);
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
    words_init();
    if (dir == NULL || (argc > 4 && !words_read(argv[4]))) {
        fprintf(stderr, "usage: %s CORPUS_DIR [MUTATIONS [SEED [DICTIONARY]]]\n", argv[0]);
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
