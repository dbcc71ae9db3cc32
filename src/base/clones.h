/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/clones.h -- one loop for several kinds of processor.
 *
 * WR_CLONES before a function: it is compiled again for newer processors, and the one that fits is chosen
 * when the program is loaded.  Sanitizers cannot run the choice that early: with them there is one.
 */
#pragma once

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WR_CLONES __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define WR_CLONES
#endif
