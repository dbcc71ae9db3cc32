/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint/store_read.c -- reading a checkpoint back: completely, or not at all (K1, K3).
 *
 * Candidates are all manifests in the directory, newest first; the first that verifies with all its
 * files is served.  CURRENT says which one was published last, so that one that should be there and is
 * not (or is damaged) is told about.  One for which memory is short is not passed over.  A directory with manifests none of which verifies is an
 * error, never a fresh start.
 */
#include "checkpoint/directory_impl.h"
#include "checkpoint/manifest_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANIFEST_BYTES_MAX = 64 << 20, CURRENT_BYTES_MAX = 256 };

bool
wr_store_read_file(wr_store *store, const char *name, uint64_t bytes_max, wr_arena *arena,
                   const char **bytes, size_t *length, wr_text *why)
{
    struct stat st;
    size_t      have = 0;
    int         fd = openat(store->directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        wr_text_printf(why, "%s: %s", name, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    size_t size = (size_t) st.st_size;
    char  *data = (uint64_t) st.st_size <= bytes_max ? wr_arena_alloc(arena, size + 1) : NULL;
    while (data != NULL && have < size) {
        ssize_t n = read(fd, data + have, size - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += (size_t) n;
    }
    close(fd);
    if (data == NULL || have != size) {
        wr_text_printf(why, "%s: %s", name,
                       data != NULL                           ? "cannot be read"
                       : (uint64_t) st.st_size > bytes_max ? "too large"
                                                           : "no memory");
        return false;
    }
    data[size] = '\0';
    *bytes = data;
    *length = size;
    return true;
}

/* --- one checkpoint --- */

static bool
read_manifest(wr_store *store, uint64_t sequence, wr_arena *arena, manifest *m, wr_text *why)
{
    char        name[STORE_NAME_MAX];
    const char *bytes, *payload, *footer;
    size_t      length, payload_length, footer_length, at = 0;
    uint64_t    repeated;
    wr_store_manifest_name(name, sequence);
    if (!wr_store_read_file(store, name, MANIFEST_BYTES_MAX, arena, &bytes, &length, why))
        return false;
    bool good = wr_frame_get(bytes, length, &at, FRAME_MANIFEST, sequence, &payload,
                             &payload_length) &&
                wr_frame_get(bytes, length, &at, FRAME_FOOTER, sequence, &footer, &footer_length) &&
                at == length && footer_length == sizeof repeated;
    if (good) {
        memcpy(&repeated, footer, sizeof repeated);
        good = repeated == sequence && wr_manifest_decode(payload, payload_length, arena, m) &&
               m->sequence == sequence;
    }
    if (!good) {
        wr_text_printf(why, "%s is damaged or incomplete", name);
        return false;
    }
    store->epochs[sequence % STORE_EPOCHS].sequence = sequence;
    store->epochs[sequence % STORE_EPOCHS].epoch = m->epoch;
    return true;
}

/* The next part's bytes from its file: one frame as it lies, several joined. */
static bool
read_part(const char *bytes, size_t length, size_t *at, uint64_t sequence, uint64_t want,
          wr_arena *arena, const void **out)
{
    const char *payload;
    size_t      piece, have = 0;
    if (want <= FRAME_PAYLOAD_MAX) {
        if (!wr_frame_get(bytes, length, at, FRAME_PART, sequence, &payload, &piece) ||
            piece != want)
            return false;
        *out = payload;
        return true;
    }
    char *joined = want <= length ? wr_arena_alloc(arena, want) : NULL;
    while (joined != NULL && have < want) {
        if (!wr_frame_get(bytes, length, at, FRAME_PART, sequence, &payload, &piece) ||
            piece > want - have || piece == 0)
            return false;
        memcpy(joined + have, payload, piece);
        have += piece;
    }
    *out = joined;
    return joined != NULL;
}

static bool
read_data(wr_store *store, const manifest *m, uint32_t file, wr_checkpoint *out, wr_text *why)
{
    const manifest_file *f = &m->files[file];
    const char          *bytes;
    size_t               length, at = 0;
    if (strchr(f->name, '/') != NULL) {
        wr_text_printf(why, "the manifest names \"%s\"", f->name);
        return false;
    }
    if (!wr_store_read_file(store, f->name, UINT64_MAX, &out->arena, &bytes, &length, why))
        return false;
    file_sum sum = wr_file_sum(bytes, length);
    bool     good = memcmp(&sum, &f->sum, sizeof sum) == 0;
    for (uint32_t i = 0; good && i < m->part_count; i++) {
        if (m->parts[i].file != file)
            continue;
        out->parts[i].name = m->parts[i].name;
        out->parts[i].length = m->parts[i].length;
        good = read_part(bytes, length, &at, m->sequence, m->parts[i].length, &out->arena,
                         &out->parts[i].bytes);
    }
    if (!good || at != length)
        wr_text_printf(why, "%s is damaged", f->name);
    return good && at == length;
}

weir_status
wr_store_verify(wr_store *store, uint64_t sequence, wr_checkpoint *out, wr_text *why)
{
    manifest m;
    memset(out, 0, sizeof *out);
    wr_arena_init(&out->arena, store->budget);
    bool good = read_manifest(store, sequence, &out->arena, &m, why);
    if (good) {
        out->sequence = m.sequence;
        out->epoch = m.epoch;
        out->fingerprint = m.fingerprint;
        out->written_at = m.written_at;
        out->part_count = m.part_count;
        out->parts = wr_arena_calloc(&out->arena, m.part_count + 1, sizeof *out->parts);
        good = out->parts != NULL;
    }
    for (uint32_t f = 0; good && f < m.file_count; f++)
        good = read_data(store, &m, f, out, why);
    if (good)
        return WEIR_OK;
    bool starved = out->arena.failed;
    wr_checkpoint_fini(out);
    return starved ? WEIR_MEMORY : WEIR_CHECKPOINT_CORRUPT;
}

/* The file's size and hash, read in pieces. */
static bool
sum_file(wr_store *store, const char *name, file_sum *sum)
{
    enum { PIECE_BYTES = 256 * 1024 };
    char         *memory = wr_alloc(store->budget, PIECE_BYTES + sizeof(XXH3_state_t) + 64);
    int           fd = openat(store->directory, name, O_RDONLY | O_CLOEXEC);
    ssize_t       n = -1;
    if (memory != NULL && fd >= 0) {
        XXH3_state_t *hash =
            (XXH3_state_t *) (((uintptr_t) memory + PIECE_BYTES + 63) / 64 * 64);
        sum->bytes = 0;
        XXH3_128bits_reset(hash);
        while ((n = read(fd, memory, PIECE_BYTES)) > 0 || (n < 0 && errno == EINTR)) {
            XXH3_128bits_update(hash, memory, n > 0 ? (size_t) n : 0);
            sum->bytes += n > 0 ? (uint64_t) n : 0;
        }
        XXH128_hash_t h = XXH3_128bits_digest(hash);
        sum->hash_low = h.low64;
        sum->hash_high = h.high64;
    }
    if (fd >= 0)
        close(fd);
    wr_free(memory);
    return n == 0;
}

bool
wr_store_check(wr_store *store, uint64_t sequence, wr_text *why)
{
    wr_arena arena;
    manifest m;
    file_sum sum;
    wr_arena_init(&arena, store->budget);
    bool good = read_manifest(store, sequence, &arena, &m, why);
    for (uint32_t f = 0; good && f < m.file_count; f++) {
        good = sum_file(store, m.files[f].name, &sum) &&
               memcmp(&sum, &m.files[f].sum, sizeof sum) == 0;
        if (!good)
            wr_text_printf(why, "%s does not read back as it was written", m.files[f].name);
    }
    wr_arena_fini(&arena);
    return good;
}

void
wr_checkpoint_fini(wr_checkpoint *checkpoint)
{
    wr_arena_fini(&checkpoint->arena);
    checkpoint->parts = NULL;
    checkpoint->part_count = 0;
}

/* --- choosing --- */

/* The sequence that CURRENT names; 0: it does not say (missing, damaged). */
static uint64_t
read_current(wr_store *store)
{
    wr_arena    arena;
    wr_text     why;
    const char *bytes;
    size_t      length;
    char        name[STORE_NAME_MAX] = "";
    unsigned    crc;
    int         end = 0;
    uint64_t    sequence = 0;
    bool        is_manifest;
    wr_arena_init(&arena, store->budget);
    wr_text_init(&why, store->budget);
    if (wr_store_read_file(store, "CURRENT", CURRENT_BYTES_MAX, &arena, &bytes, &length, &why) &&
        sscanf(bytes, "%79s %8x%n", name, &crc, &end) == 2 && bytes[end] == '\n' &&
        (size_t) end + 1 == length && crc == wr_crc32c(name, strlen(name)) &&
        (!wr_store_name_parse(name, &sequence, &is_manifest) || !is_manifest))
        sequence = 0;
    else if (name[0] == '\0' || end == 0 || crc != wr_crc32c(name, strlen(name)))
        sequence = 0;
    wr_text_fini(&why);
    wr_arena_fini(&arena);
    return sequence;
}

static bool
manifest_number(const char *name, uint64_t *sequence)
{
    bool is_manifest;
    return wr_store_name_parse(name, sequence, &is_manifest) && is_manifest;
}

/* Sequences of all manifests, oldest first, into arena. */
static weir_status
list_manifests(wr_store *store, wr_arena *arena, uint64_t **list, uint32_t *count)
{
    weir_status status =
        wr_directory_numbers(store->directory, store->path, manifest_number, arena, list, count, NULL);
    return status == WEIR_CHECKPOINT ? WEIR_CHECKPOINT_UNREADABLE : status;
}

static weir_status
store_mismatch(const wr_store *store, uint64_t have, uint64_t want, weir_error *err)
{
    if (((have ^ want) & WR_FINGERPRINT_BOUNDED) == 0) {
        (void) wr_error_set(err, WEIR_CHECKPOINT_MISMATCH,
                            "the checkpoints in %s belong to another pipeline, or to an older "
                            "text of this one",
                            store->path);
        wr_error_hint(err, "run it with a directory of its own; or remove this one, to begin with what the sources still have");
        return WEIR_CHECKPOINT_MISMATCH;
    }
    bool        once = (have & WR_FINGERPRINT_BOUNDED) != 0;
    weir_status status = wr_error_set(err, WEIR_CHECKPOINT_MISMATCH,
                                      "the checkpoints in %s are of a run %s --once, and this one is %s: it keeps other state",
                                      store->path, once ? "with" : "without", once ? "without" : "with");
    wr_error_hint(err, "give each kind of run a data directory of its own: what an end has closed is not open again");
    return status;
}

weir_status
wr_store_read(wr_store *store, uint64_t fingerprint, bool *found, wr_checkpoint *out,
              wr_text *skipped, weir_error *err)
{
    wr_arena  arena;
    uint64_t *list, current = read_current(store);
    uint32_t  count;
    *found = false;
    wr_arena_init(&arena, store->budget);
    weir_status status = list_manifests(store, &arena, &list, &count);
    if (status != WEIR_OK)
        (void) wr_error_set(err, status, "cannot list %s", store->path);
    else if (current > (count > 0 ? list[count - 1] : 0))
        wr_text_printf(skipped, "ckpt-%010llu.m, which CURRENT names, is missing",
                       (unsigned long long) current);
    for (uint32_t i = count; status == WEIR_OK && i > 0 && !*found; i--) {
        wr_text why;
        wr_text_init(&why, store->budget);
        weir_status read = wr_store_verify(store, list[i - 1], out, &why);
        *found = read == WEIR_OK;
        if (read == WEIR_MEMORY) /* it may be good: an older one would undo what it says */
            status = wr_error_set(err, read, "no memory to read a checkpoint in %s", store->path);
        else if (!*found)
            wr_text_printf(skipped, "%s%s", skipped->length > 0 ? "; " : "", wr_text_string(&why));
        wr_text_fini(&why);
    }
    if (status == WEIR_OK && !*found && (count > 0 || current > 0)) {
        status = wr_error_set(err, WEIR_CHECKPOINT_UNREADABLE, "no checkpoint in %s can be read: %s",
                              store->path, wr_text_string(skipped));
        wr_error_hint(err, "put back a copy of the directory; or remove it, to begin with what the sources still have");
    } else if (*found && ((out->fingerprint ^ fingerprint) & ~WR_FINGERPRINT_BOUNDED) != 0) {
        status = store_mismatch(store, out->fingerprint, fingerprint, err);
        wr_checkpoint_fini(out);
        *found = false;
    } else if (*found)
        store->newest = out->sequence;
    wr_arena_fini(&arena);
    return status;
}

/* Of a manifest; 0: it cannot be read.  A sequence is never used twice, so what was once read of it stays true. */
static wr_epoch
epoch_of(wr_store *store, uint64_t sequence)
{
    wr_arena arena;
    wr_text  why;
    manifest m;
    if (store->epochs[sequence % STORE_EPOCHS].sequence == sequence)
        return store->epochs[sequence % STORE_EPOCHS].epoch;
    wr_arena_init(&arena, store->budget);
    wr_text_init(&why, store->budget);
    wr_epoch epoch = read_manifest(store, sequence, &arena, &m, &why) ? m.epoch : 0;
    wr_text_fini(&why);
    wr_arena_fini(&arena);
    return epoch;
}

wr_epoch
wr_store_oldest(wr_store *store)
{
    wr_arena  arena;
    uint64_t *list, first = 0;
    uint32_t  count;
    wr_arena_init(&arena, store->budget);
    if (list_manifests(store, &arena, &list, &count) == WEIR_OK && count > 0)
        first = list[0];
    wr_arena_fini(&arena);
    return first != 0 ? epoch_of(store, first) : 0;
}

weir_status
wr_store_forget_newer(wr_store *store, weir_error *err)
{
    wr_arena    arena;
    uint64_t   *list;
    uint32_t    count, gone = 0;
    char        name[STORE_NAME_MAX];
    wr_arena_init(&arena, store->budget);
    weir_status status = list_manifests(store, &arena, &list, &count);
    if (status != WEIR_OK)
        (void) wr_error_set(err, status, "cannot list %s", store->path);
    for (uint32_t i = count; status == WEIR_OK && i > 0 && list[i - 1] > store->newest; i--, gone++) {
        wr_store_manifest_name(name, list[i - 1]);
        if (!wr_file_remove(store->directory, name))
            status = wr_error_set(err, WEIR_CHECKPOINT, "cannot remove %s/%s, which cannot be read: %s", store->path, name,
                                  strerror(errno));
    }
    wr_arena_fini(&arena);
    return status == WEIR_OK && gone > 0 ? wr_directory_sync(store->directory, store->path, err) : status;
}
