/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/flow.h -- what one bounded step of an operator, a source or a sink answers.
 */
#pragma once

typedef enum wr_flow {
    WR_FLOW_NEXT,  /* step finished; offer me whatever comes next              */
    WR_FLOW_AGAIN, /* no room downstream: the same call again, before any other */
    WR_FLOW_WAIT,  /* I/O under way; my waker will ring                        */
    WR_FLOW_DONE,  /* I will not emit again; drain and close me                */
    WR_FLOW_FAIL,  /* wr_ctx_fail() has recorded the error                     */
} wr_flow;
