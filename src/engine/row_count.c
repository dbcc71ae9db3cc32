/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/row_count.c -- about how many rows a source has, for the order of joins (plan/cardinality.c).
 *
 * What the file says (`rows:`) counts.  Of a file that a query reads, the size tells something; of one that a
 * pipeline reads it must not: it grows, and a plan belongs to its checkpoints.
 */
#include "connector/file.h"
#include "engine/engine_impl.h"

#include <string.h>
#include <sys/stat.h>

/* A field with what stands around it, in bytes: files are compared with one another. */
enum { FIELD_BYTES = 10 };

uint64_t
wr_source_rows(const weir_pipeline *p, const wr_spec_source *s, const wr_schema *columns)
{
    struct stat info;
    if (s->common.rows > 0)
        return (uint64_t)s->common.rows;
    if (p->statement == NULL || s->ops != &wr_file_source_ops)
        return 0;
    const wr_file_source_config *file = s->config;
    if (file->path == NULL || strcmp(file->path, "-") == 0 || stat(file->path, &info) != 0 ||
        !S_ISREG(info.st_mode) || info.st_size <= 0)
        return 0;
    return (uint64_t)info.st_size / (FIELD_BYTES * (uint64_t)WR_MAX(columns->field_count, 1u)) + 1;
}
