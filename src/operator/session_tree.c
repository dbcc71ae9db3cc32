/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/session_tree.c -- the sessions of a key by time: which of them does a row reach?
 *
 * Mostly a key has one session, and its tree is that one.  Where no watermark closes them, or rows
 * come far out of order, a key may have very many.  The tree is a treap of the table's rows in the
 * order of (last, serial), with the least start below each node; a node's priority is a hash of its
 * id.
 *
 * Invariants  T1  a key's tree, which its first row leads to, holds the rows that have a session
 *             T2  a session's start, last and serial change only outside the tree, but for a tree
 *                 of one
 * Cost        find: O(log n) and what is found; insert, remove: O(log n).
 */
#include "operator/session_impl.h"

/* Nodes are ids + 1; 0: none. */

typedef struct tree_key {
    wr_time  last;
    uint64_t serial;
} tree_key;

static session_head *
node_head(const sessions *s, uint32_t node)
{
    return wr_session_head(s, wr_group_table_row(&s->table, node - 1));
}

static tree_key
node_key(const sessions *s, uint32_t node)
{
    const session_head *h = node_head(s, node);
    return (tree_key){ h->last, h->serial };
}

static bool
key_before(tree_key a, tree_key b)
{
    return a.last != b.last ? a.last < b.last : a.serial < b.serial;
}

static uint32_t
node_priority(uint32_t node)
{
    uint32_t x = node * 0x9e3779b1u;
    return (x ^ x >> 15) * 0x85ebca6bu;
}

/* New children, and the least start that follows. */
static weir_status
node_set(sessions *s, uint32_t node, uint32_t left, uint32_t right)
{
    wr_group *g;
    WR_TRY(wr_session_own(s, node - 1, &g));
    session_head *h = wr_session_head(s, g);
    h->left = left;
    h->right = right;
    h->min_start = h->start;
    if (left != 0)
        h->min_start = WR_MIN(h->min_start, node_head(s, left)->min_start);
    if (right != 0)
        h->min_start = WR_MIN(h->min_start, node_head(s, right)->min_start);
    return WEIR_OK;
}

/* Nodes before key into *left, the others into *right. */
static weir_status
tree_split(sessions *s, uint32_t node, tree_key key, uint32_t *left, uint32_t *right)
{
    *left = *right = 0;
    if (node == 0)
        return WEIR_OK;
    uint32_t l = node_head(s, node)->left, r = node_head(s, node)->right;
    if (key_before(node_key(s, node), key)) {
        WR_TRY(tree_split(s, r, key, &r, right));
        *left = node;
    } else {
        WR_TRY(tree_split(s, l, key, left, &l));
        *right = node;
    }
    return node_set(s, node, l, r);
}

/* All of left lies before all of right. */
static weir_status
tree_merge(sessions *s, uint32_t left, uint32_t right, uint32_t *out)
{
    if (left == 0 || right == 0) {
        *out = left != 0 ? left : right;
        return WEIR_OK;
    }
    bool     up = node_priority(left) > node_priority(right);
    uint32_t node = up ? left : right;
    uint32_t l = node_head(s, node)->left, r = node_head(s, node)->right;
    WR_TRY(up ? tree_merge(s, r, right, &r) : tree_merge(s, left, l, &l));
    *out = node;
    return node_set(s, node, l, r);
}

static weir_status
tree_drop(sessions *s, uint32_t node, uint32_t gone, uint32_t *out)
{
    wr_assert(node != 0); /* T1 */
    uint32_t l = node_head(s, node)->left, r = node_head(s, node)->right;
    if (node == gone)
        return tree_merge(s, l, r, out);
    if (key_before(node_key(s, gone), node_key(s, node)))
        WR_TRY(tree_drop(s, l, gone, &l));
    else
        WR_TRY(tree_drop(s, r, gone, &r));
    *out = node;
    return node_set(s, node, l, r);
}

static weir_status
root_set(sessions *s, uint32_t first, uint32_t root)
{
    wr_group *g;
    WR_TRY(wr_session_own(s, first, &g));
    wr_session_head(s, g)->root = root;
    return WEIR_OK;
}

weir_status
wr_session_tree_insert(sessions *s, uint32_t id)
{
    uint32_t first = node_head(s, id + 1)->first, left, right, root;
    WR_TRY(node_set(s, id + 1, 0, 0));
    root = node_head(s, first + 1)->root;
    WR_TRY(tree_split(s, root, node_key(s, id + 1), &left, &right));
    WR_TRY(tree_merge(s, left, id + 1, &left));
    WR_TRY(tree_merge(s, left, right, &root));
    return root_set(s, first, root);
}

weir_status
wr_session_tree_remove(sessions *s, uint32_t id)
{
    uint32_t first = node_head(s, id + 1)->first, root = node_head(s, first + 1)->root;
    WR_TRY(tree_drop(s, root, id + 1, &root));
    return root_set(s, first, root);
}

bool
wr_session_tree_single(const sessions *s, uint32_t id)
{
    const session_head *h = node_head(s, id + 1);
    return h->left == 0 && h->right == 0 && node_head(s, h->first + 1)->root == id + 1;
}

static uint32_t
tree_find(const sessions *s, uint32_t node, wr_time low, wr_time high, wr_session_wanted wanted,
          wr_time w, uint32_t *found, uint32_t count)
{
    while (node != 0 && count < WR_BATCH_ROWS_MAX) {
        const session_head *h = node_head(s, node);
        if (h->min_start > high)
            return count;
        if (h->last >= low) {
            count = tree_find(s, h->left, low, high, wanted, w, found, count);
            if (count < WR_BATCH_ROWS_MAX && h->start <= high && wanted(s, h, w))
                found[count++] = node - 1;
        }
        node = h->right;
    }
    return count;
}

uint32_t
wr_session_tree_find(const sessions *s, uint32_t first, wr_time low, wr_time high,
                     wr_session_wanted wanted, wr_time w, uint32_t *found)
{
    return tree_find(s, node_head(s, first + 1)->root, low, high, wanted, w, found, 0);
}
