/* Making a failing script short (delta debugging, Zeller 1999). */
#ifndef METAMORPHIC_REDUCE_H
#define METAMORPHIC_REDUCE_H

#include "metamorphic/script.h"

/* Whether a script, under the settings that are in it, still fails in the same way. */
typedef bool (*reduce_fails)(void *arg, const struct script *s);

/*
 * The shortest that was found: fewer operations, then fewer settings, then plainer
 * operations, values and keys, until nothing helps or `seconds` are over. `s` must fail.
 */
struct script *reduce_script(const struct script *s, reduce_fails fails, void *arg,
			     unsigned seconds);

/* What kind of failure a script ends in, tried in a process of its own; "" if in none. */
enum { KIND_SIZE = 64 };
void reduce_kind(const struct script *s, char kind[KIND_SIZE]);
/* A reduce_fails: of that kind (arg). */
bool reduce_same_kind(void *arg, const struct script *s);

#endif
