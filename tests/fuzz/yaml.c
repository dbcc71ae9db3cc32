/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz/yaml.c -- a pipeline file: parsed, read, planned, explained; nothing is opened. */
#include "base/memory.h"
#include "fuzz/fuzz.h"
#include "weir/weir.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir *engine;
    weir_pipeline *pipeline = NULL;
    weir_report *report = weir_report_open();
    char *text = wr_alloc(NULL, size + 1), *out = NULL;
    memcpy(text, data, size);
    text[size] = '\0';
    if (weir_open(NULL, &engine, NULL) != WEIR_OK)
        return 0;
    if (weir_pipeline_load(engine, "fuzz.yaml", text, NULL, NULL, report, &pipeline) == WEIR_OK &&
        weir_explain(pipeline, NULL, false, WEIR_TEXT, &out, NULL) == WEIR_OK)
        weir_free(out);
    weir_free(weir_report_print(report, false));
    weir_report_close(report);
    weir_close(engine);
    wr_free(text);
    return 0;
}
