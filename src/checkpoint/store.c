/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint/store.c -- the data directory: opening, writing a checkpoint, dropping old ones
 * (see checkpoint.h).
 *
 * Small tasks share a data file, so that a checkpoint of many costs one fdatasync; a file is closed
 * once it holds 16 MiB.
 */
#include "checkpoint/directory_impl.h"
#include "checkpoint/manifest_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DATA_FILE_BYTES = 16 << 20, KEPT = 3, VERSION_BYTES_MAX = 256 };
static const char VERSION_TEXT[] = "weir-store 1\n";

/* --- opening --- */

/* mkdir -p */
static weir_status
make_directory(const char *path, weir_error *err)
{
    char   part[4096];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part)
        return wr_error_set(err, WEIR_CONFIG_VALUE, "\"%s\" is no directory name", path);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0750) != 0 && errno != EEXIST)
            return wr_error_set(err, WEIR_CHECKPOINT, "cannot make the directory \"%s\": %s", part,
                                strerror(errno));
    }
    return WEIR_OK;
}

/* Remove left-over .tmp files; find the newest sequence any file speaks of. */
static weir_status
scan_directory(wr_store *store, weir_error *err)
{
    DIR *dir;
    WR_TRY(wr_directory_list(store->directory, store->path, &dir, err));
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        uint64_t sequence;
        bool     is_manifest;
        size_t   length = strlen(e->d_name);
        if (length > 4 && strcmp(e->d_name + length - 4, ".tmp") == 0)
            (void) unlinkat(store->directory, e->d_name, 0);
        else if (wr_store_name_parse(e->d_name, &sequence, &is_manifest))
            store->sequence = WR_MAX(store->sequence, sequence);
    }
    closedir(dir);
    return WEIR_OK;
}

static weir_status
take_lock(wr_store *store, weir_error *err)
{
    store->lock = openat(store->directory, "LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (store->lock >= 0 && flock(store->lock, LOCK_EX | LOCK_NB) == 0)
        return WEIR_OK;
    if (store->lock >= 0 && errno == EWOULDBLOCK)
        return wr_error_set(err, WEIR_CHECKPOINT, "another process is using %s", store->path);
    return wr_error_set(err, WEIR_CHECKPOINT, "cannot lock %s: %s", store->path, strerror(errno));
}

/* VERSION says what we write; a directory without one becomes ours. */
static weir_status
check_version(wr_store *store, weir_error *err)
{
    wr_arena    arena;
    wr_text     why;
    const char *bytes;
    size_t      length;
    weir_status status = WEIR_OK;
    if (faccessat(store->directory, "VERSION", F_OK, 0) == 0 || errno != ENOENT) {
        wr_arena_init(&arena, store->budget);
        wr_text_init(&why, store->budget);
        if (!wr_store_read_file(store, "VERSION", VERSION_BYTES_MAX, &arena, &bytes, &length, &why))
            status = wr_error_set(err, WEIR_CHECKPOINT_UNREADABLE, "%s/%s", store->path,
                                  wr_text_string(&why));
        else if (length != sizeof VERSION_TEXT - 1 || memcmp(bytes, VERSION_TEXT, length) != 0) {
            status = wr_error_set(err, WEIR_CHECKPOINT_UNREADABLE,
                                  "%s/VERSION is not \"weir-store 1\": written by another version of "
                                  "Weir, or damaged",
                                  store->path);
            wr_error_hint(err, "run it with the version that wrote it, or give it a directory of its own");
        }
        wr_text_fini(&why);
        wr_arena_fini(&arena);
        return status;
    }
    frame_file f;
    wr_frame_file_create(&f, store->budget, store->directory, "VERSION", 0);
    wr_frame_file_put_raw(&f, VERSION_TEXT, sizeof VERSION_TEXT - 1);
    WR_TRY(wr_frame_file_finish(&f, NULL, err));
    return wr_directory_sync(store->directory, store->path, err);
}

weir_status
wr_store_open(const char *path, wr_store **out, weir_error *err)
{
    wr_store *s = wr_calloc(NULL, 1, sizeof *s);
    if (s == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory to open %s", path);
    s->directory = s->lock = -1;
    s->path = wr_strdup(NULL, path);
    weir_status status = s->path != NULL ? make_directory(path, err)
                                         : wr_error_set(err, WEIR_MEMORY, "no memory to open %s", path);
    if (status == WEIR_OK) {
        s->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->directory < 0)
            status = wr_error_set(err, WEIR_CHECKPOINT, "cannot open %s: %s", path, strerror(errno));
    }
    if (status == WEIR_OK)
        status = take_lock(s, err);
    if (status == WEIR_OK)
        status = scan_directory(s, err);
    if (status == WEIR_OK)
        status = check_version(s, err);
    if (status != WEIR_OK) {
        wr_store_close(s);
        return status;
    }
    *out = s;
    return WEIR_OK;
}

void
wr_store_close(wr_store *store)
{
    if (store == NULL)
        return;
    if (store->lock >= 0)
        close(store->lock);
    if (store->directory >= 0)
        close(store->directory);
    wr_free(store->path);
    wr_free(store);
}

/* --- writing --- */

/* Where the parts go: into files of some 16 MiB, in order. */
static weir_status
plan_files(wr_store *store, manifest *m, const wr_store_part *parts, uint32_t count,
           wr_arena *arena)
{
    uint64_t filled = DATA_FILE_BYTES;
    m->parts = wr_arena_calloc(arena, count + 1, sizeof *m->parts);
    m->files = wr_arena_calloc(arena, count + 1, sizeof *m->files);
    if (m->parts == NULL || m->files == NULL)
        return WEIR_MEMORY;
    m->part_count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (filled >= DATA_FILE_BYTES) {
            char name[STORE_NAME_MAX];
            wr_store_data_name(name, m->sequence, m->file_count);
            m->files[m->file_count].name = wr_arena_strdup(arena, name);
            if (m->files[m->file_count].name == NULL)
                return WEIR_MEMORY;
            m->file_count++;
            filled = 0;
        }
        m->parts[i] = (manifest_part){ parts[i].name, m->file_count - 1, parts[i].length };
        filled += wr_frame_bytes(parts[i].length);
    }
    return WEIR_OK;
}

static weir_status
write_data(wr_store *store, manifest *m, uint32_t file, const wr_store_part *parts, weir_error *err)
{
    frame_file f;
    uint64_t   expected = 0;
    for (uint32_t i = 0; i < m->part_count; i++)
        expected += m->parts[i].file == file ? wr_frame_bytes(parts[i].length) : 0;
    wr_frame_file_create(&f, store->budget, store->directory, m->files[file].name, expected);
    for (uint32_t i = 0; i < m->part_count; i++)
        if (m->parts[i].file == file)
            wr_frame_file_put(&f, FRAME_PART, m->sequence, parts[i].bytes, parts[i].length);
    return wr_frame_file_finish(&f, &m->files[file].sum, err);
}

static weir_status
write_manifest(wr_store *store, const manifest *m, uint64_t *bytes, weir_error *err)
{
    frame_file f;
    wr_text    payload;
    char       name[STORE_NAME_MAX];
    file_sum   sum = { 0 };
    wr_text_init(&payload, store->budget);
    wr_manifest_encode(m, &payload);
    if (!wr_text_ok(&payload) || payload.length > FRAME_PAYLOAD_MAX) {
        wr_text_fini(&payload);
        return wr_error_set(err, WEIR_MEMORY, "no memory for a manifest of %u parts", m->part_count);
    }
    wr_store_manifest_name(name, m->sequence);
    wr_frame_file_create(&f, store->budget, store->directory, name,
                         wr_frame_bytes(payload.length) + wr_frame_bytes(sizeof m->sequence));
    wr_frame_file_put(&f, FRAME_MANIFEST, m->sequence, payload.data, payload.length);
    wr_frame_file_put(&f, FRAME_FOOTER, m->sequence, &m->sequence, sizeof m->sequence);
    weir_status status = wr_frame_file_finish(&f, &sum, err);
    wr_text_fini(&payload);
    *bytes += sum.bytes;
    return status;
}

static weir_status
write_current(wr_store *store, uint64_t sequence, weir_error *err)
{
    frame_file f;
    char       name[STORE_NAME_MAX], line[STORE_NAME_MAX + 16];
    wr_store_manifest_name(name, sequence);
    int n = snprintf(line, sizeof line, "%s %08x\n", name, wr_crc32c(name, strlen(name)));
    wr_frame_file_create(&f, store->budget, store->directory, "CURRENT", 0);
    wr_frame_file_put_raw(&f, line, (size_t) n);
    return wr_frame_file_finish(&f, NULL, err);
}

/* K2: is this manifest among those that count?  One between the one we began from and ours could not be read, or is
 * half of one that failed: were it counted, three of them in a row would drive the good ones out. */
static bool
manifest_counts(const manifest *ours, uint64_t sequence)
{
    return sequence == ours->sequence || sequence <= ours->parent || (ours->parent == 0 && sequence < ours->sequence);
}

/* K2: keep ours (just verified) and the two good ones before it. */
static void
drop_old(wr_store *store, const manifest *ours)
{
    uint64_t kept[KEPT] = { 0 }, s;
    DIR     *dir;
    bool     is_manifest;
    if (wr_directory_list(store->directory, store->path, &dir, NULL) != WEIR_OK)
        return;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (!wr_store_name_parse(e->d_name, &s, &is_manifest) || !is_manifest || !manifest_counts(ours, s))
            continue;
        for (int i = 0; i < KEPT; i++) /* the newest three, descending */
            if (s > kept[i]) {
                memmove(&kept[i + 1], &kept[i], (size_t) (KEPT - 1 - i) * sizeof kept[0]);
                kept[i] = s;
                break;
            }
    }
    rewinddir(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (wr_store_name_parse(e->d_name, &s, &is_manifest) &&
            (s < kept[KEPT - 1] || (s < ours->sequence && !manifest_counts(ours, s))))
            (void) wr_file_remove(store->directory, e->d_name);
    closedir(dir);
}

/* A checkpoint that failed leaves nothing behind (what cannot be removed is skipped by its name).  But where its manifest
 * stood there, or may stand there, its data stays until it is old: a crash may bring the manifest back, and alone it would
 * be one that cannot be read. */
static void
remove_failed(wr_store *store, const manifest *m)
{
    char name[STORE_NAME_MAX];
    wr_store_manifest_name(name, m->sequence);
    if (unlinkat(store->directory, name, 0) == 0 || errno != ENOENT)
        return;
    for (uint32_t i = 0; i < m->file_count; i++)
        (void) unlinkat(store->directory, m->files[i].name, 0);
}

static weir_status
write_all(wr_store *store, manifest *m, const wr_store_part *parts, uint64_t *bytes, weir_error *err)
{
    for (uint32_t f = 0; f < m->file_count; f++) {
        WR_TRY(write_data(store, m, f, parts, err));
        *bytes += m->files[f].sum.bytes;
    }
    WR_TRY(wr_directory_sync(store->directory, store->path, err));
    WR_TRY(write_manifest(store, m, bytes, err));
    return wr_directory_sync(store->directory, store->path, err);
}

weir_status
wr_store_write(wr_store *store, wr_epoch epoch, uint64_t fingerprint, wr_time now,
               const wr_store_part *parts, uint32_t part_count, uint64_t *bytes_written,
               weir_error *err)
{
    wr_arena      arena;
    wr_text       why;
    manifest      m = { .sequence = store->sequence + 1,
                        .parent = store->newest,
                        .epoch = epoch,
                        .fingerprint = fingerprint,
                        .written_at = now };
    *bytes_written = 0;
    store->sequence = m.sequence; /* never used twice, whatever happens */
    wr_arena_init(&arena, store->budget);
    wr_text_init(&why, store->budget);
    weir_status status = plan_files(store, &m, parts, part_count, &arena);
    if (status != WEIR_OK)
        (void) wr_error_set(err, status, "no memory for a checkpoint of %u parts", part_count);
    if (status == WEIR_OK)
        status = write_all(store, &m, parts, bytes_written, err);
    if (status == WEIR_OK && !wr_store_check(store, m.sequence, &why))
        status = wr_error_set(err, WEIR_CHECKPOINT, "a checkpoint does not read back: %s",
                              wr_text_string(&why));
    if (status != WEIR_OK)
        remove_failed(store, &m);
    else {
        store->newest = m.sequence;
        status = write_current(store, m.sequence, err);
        if (status == WEIR_OK)
            status = wr_directory_sync(store->directory, store->path, err);
        if (status == WEIR_OK)
            drop_old(store, &m);
    }
    wr_text_fini(&why);
    wr_arena_fini(&arena);
    return status;
}
