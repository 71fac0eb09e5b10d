// SPDX-License-Identifier: Apache-2.0
/*
 * A parsed JSON or YAML document before it meets a message type. It lives in an arena of its own that
 * is freed as soon as the message is built: for a large configuration the tree is bigger than the
 * message. Text nodes are valid UTF-8 without NUL bytes. An alias of YAML shares its anchor's children,
 * so a document is an acyclic graph; what aliases may expand to is bounded by the parser.
 */
#ifndef XDS_BOOTSTRAP_DOCUMENT_H
#define XDS_BOOTSTRAP_DOCUMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/base/slice.h"

enum { DOCUMENT_MAX_DEPTH = 100 };

enum document_kind {
    DOCUMENT_NULL,
    DOCUMENT_BOOL,
    DOCUMENT_NUMBER, /* text: the literal */
    DOCUMENT_STRING, /* text: decoded */
    DOCUMENT_ARRAY,
    DOCUMENT_OBJECT,
};

struct document_node {
    enum document_kind kind;
    bool boolean;
    bool is_shadowed; /* a later member of the same object has the same key */
    uint32_t line;    /* from 1; 0: unknown */
    uint32_t count;   /* children */
    uint32_t weight;  /* nodes below and including this one, aliases expanded, saturating */
    struct slice key; /* of an object's member */
    struct slice text;
    struct document_node *first, *last; /* children */
    struct document_node *next;         /* sibling */
};

/* Proto3 JSON with the leniency of Envoy's parser: trailing commas, single quotes and bare keys are
 * taken; duplicate keys are kept in order, the earlier ones marked. `name` is shown in errors. */
enum status document_parse_json(struct slice text, struct arena *arena,
                                const struct document_node **root, struct error *err) MUST_USE;

/* The first document of a YAML stream, with scalars resolved as Envoy does: booleans, int32 numbers
 * and null become such, larger integers decimal text, all else text. Keys tagged !ignore are left out;
 * of duplicate keys the last one stays. An empty stream gives a null node. */
enum status document_parse_yaml(struct slice text, struct arena *arena,
                                const struct document_node **root, struct error *err) MUST_USE;

/* Protobuf's text format; fields given several times become one list. To be read with is_text_format.
 * Unlike elsewhere, strings may hold any bytes. */
enum status document_parse_text(struct slice text, struct arena *arena,
                                const struct document_node **root, struct error *err) MUST_USE;

/* For the parsers. */
struct document_node *document_new(struct arena *arena, enum document_kind kind, uint32_t line);
void document_add(struct document_node *parent, struct document_node *child);
/* Marks the earlier ones of members with equal keys. */
void document_mark_shadowed(struct document_node *object);

const char *document_kind_name(enum document_kind kind);

#endif
