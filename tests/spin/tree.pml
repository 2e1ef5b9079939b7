/*
 * The memtable: splits of leaves against other writers, gets and iterators
 * (src/memtable/tree.c), by optimistic lock coupling.
 *
 *   descend    memtree_leaf(): a node's lock word is noted before its parent's is
 *              looked at again
 *   Add        memtree_add() and memtree_split(): try to change the noted word to
 *              "locked", start over if it has changed
 *   Find       memtree_find(): not finding counts only if the leaf has not changed
 *   Forward    memtree_copy_edge(), memtree_copy_next(): copies of leaves, each valid
 *              if the leaf did not change while it was taken
 *   Backward   memtree_copy_edge(), memtree_copy_prev(): a leaf to the left is good
 *              if it still leads to the one that was left
 *
 * The tree here has a root with room for its children and leaves of two keys. Every
 * load and store of a shared field is a step of its own; node_insert() and
 * node_split() store in the order of the code. Keys 2, 4 and 6 are there from the
 * start, in the leaves {2, 4} and {6}; writers add 3 and 5, which splits the first; one reader goes along with them.
 * A lock word is a version in steps of 2, its lowest bit says "locked".
 *
 * Shown: what was there is always found, never twice and in order, both ways; the tree is
 * whole at the end, with all keys in it; nobody waits for ever.
 *
 * BROKEN_1: the way down does not look at the parent's word again.
 * BROKEN_2: a copy of a leaf is taken for good without a look at its word.
 * BROKEN_3: a step back does not look where the leaf to the left leads.
 * BROKEN_4: a writer locks whatever it finds, not the word that it has noted.
 * BROKEN_5: a split empties the leaf without having locked it.
 */
#define SLOTS 2
#define LEAVES 3
#define NONE 255
#define ROOM 4         /* children of the root */

/* The root: child[i] holds the keys from bound[i] on, bound[0] being 0. */
byte root_lock;
byte root_count = 2;
byte bound[ROOM];
byte child[ROOM];

byte lock[LEAVES];
byte count[LEAVES];
byte slot[LEAVES * SLOTS];
byte next[LEAVES];
byte prev[LEAVES];
byte leaves = 2;       /* made so far: an arena, nothing is given back */

/* node_read(): the word of a node that is not locked. */
inline node_read(word, which)
{
	atomic { which % 2 == 0 -> word = which }
}

/* The child for `key`. Its stores are what races: each is looked at by itself. */
inline root_search(key)
{
	i = root_count;
	do
	:: i > 1 && bound[i - 1] > key -> i--
	:: else -> break
	od;
	leaf = child[i - 1]
}

inline descend(key)
{
	do
	:: node_read(parent_word, root_lock);
		root_search(key);
		node_read(word, lock[leaf]);
#ifdef BROKEN_1
		break
#else
		if
		:: root_lock == parent_word -> break
		:: else -> skip
		fi
#endif
	od
}

/* Where `key` is in the leaf, or NONE. */
inline leaf_search(key)
{
	found = NONE;
	i = 0;
	do
	:: i < count[leaf] && slot[leaf * SLOTS + i] == key -> found = i; break
	:: i < count[leaf] && slot[leaf * SLOTS + i] != key -> i++
	:: else -> break
	od;
	i = 0
}

/* ---- writers ---- */

inline leaf_insert(key)
{
	/* node_insert(): slots from the right, then the count. */
	i = count[leaf];
	do
	:: i > 0 && slot[leaf * SLOTS + i - 1] > key ->
		slot[leaf * SLOTS + i] = slot[leaf * SLOTS + i - 1];
		i--
	:: else -> break
	od;
	slot[leaf * SLOTS + i] = key;
	count[leaf]++;
	i = 0
}

/* memtree_split() behind the locks: one key stays, one goes to a new right sibling. */
inline split()
{
	atomic { right = leaves; leaves++ }
	assert(right < LEAVES);
	slot[right * SLOTS] = slot[leaf * SLOTS + 1];
	count[right] = 1;
	count[leaf] = 1;
	prev[right] = leaf;
	next[right] = next[leaf];
	next[leaf] = right;
	if
	:: next[right] != NONE -> prev[next[right]] = right
	:: else -> skip
	fi;
	/* node_insert() into the root. */
	i = root_count;
	do
	:: i > 0 && bound[i - 1] > slot[right * SLOTS] ->
		bound[i] = bound[i - 1];
		child[i] = child[i - 1];
		i--
	:: else -> break
	od;
	bound[i] = slot[right * SLOTS];
	child[i] = right;
	root_count++;
	i = 0
}

proctype Add(byte key)
{
	byte leaf, word, parent_word, i, right, held;
	bool ok;

again:
	descend(key);
	/* Searched, and found to have (no) room; valid as long as the word is the noted one. */
	held = count[leaf];
	if
	:: held == SLOTS ->
#ifdef BROKEN_4
		atomic { root_lock % 2 == 0 -> parent_word = root_lock; root_lock++ }
		atomic { lock[leaf] % 2 == 0 -> word = lock[leaf]; lock[leaf]++ }
		if
		:: count[leaf] < SLOTS -> lock[leaf] = word; root_lock = parent_word; goto again
		:: else -> skip
		fi;
#else
		atomic {
			ok = root_lock == parent_word;
			if
			:: ok -> root_lock = parent_word + 1
			:: else -> skip
			fi
		}
		if
		:: !ok -> goto again
		:: else -> skip
		fi;
#ifndef BROKEN_5
		atomic {
			ok = lock[leaf] == word;
			if
			:: ok -> lock[leaf] = word + 1
			:: else -> skip
			fi
		}
		if
		:: !ok -> root_lock = parent_word; goto again
		:: else -> skip
		fi;
#endif
#endif
		split();
#ifndef BROKEN_5
		lock[leaf] = word + 2;
#endif
		root_lock = parent_word + 2;
		goto again
	:: else -> skip
	fi;
#ifdef BROKEN_4
	atomic { lock[leaf] % 2 == 0 -> word = lock[leaf]; lock[leaf]++ }
	if
	:: count[leaf] == SLOTS -> lock[leaf] = word; goto again
	:: else -> skip
	fi;
#else
	atomic {
		ok = lock[leaf] == word;
		if
		:: ok -> lock[leaf] = word + 1
		:: else -> skip
		fi
	}
	if
	:: !ok -> goto again
	:: else -> skip
	fi;
#endif
	leaf_insert(key);
	lock[leaf] = word + 2
}

/* ---- readers ---- */

proctype Find(byte key)
{
	byte leaf, word, parent_word, i, found;

	do
	:: descend(key);
		leaf_search(key);
		if
		:: found != NONE || lock[leaf] == word -> break
		:: else -> skip
		fi
	od;
	assert(found != NONE)
}

/* leaf_copy_take(): the copy is in a[], n, to_next, to_prev; good tells if it holds. */
inline copy_take(from)
{
	n = count[from];
	to_next = next[from];
	to_prev = prev[from];
	a[0] = slot[from * SLOTS];
	a[1] = slot[from * SLOTS + 1];
#ifdef BROKEN_2
	good = true
#else
	good = lock[from] == word
#endif
}

proctype Forward()
{
	byte leaf, word, parent_word, i, n, to_next, to_prev, last, seen;
	byte a[SLOTS];
	bool good;

	do
	:: descend(0);
		copy_take(leaf);
		if
		:: good -> break
		:: else -> skip
		fi
	od;
	do
	:: atomic {
			for (i : 0 .. n - 1) {
				assert(a[i] > last);
				last = a[i];
				seen = seen + (last % 2 == 0)
			}
			i = 0
		}
		if
		:: to_next == NONE -> break
		:: else -> leaf = to_next
		fi;
		do
		:: node_read(word, lock[leaf]);
			copy_take(leaf);
			if
			:: good -> break
			:: else -> skip
			fi
		od
	od;
	assert(seen == 3)
}

proctype Backward()
{
	byte leaf, word, parent_word, i, n, to_next, to_prev, last = NONE, seen, at;
	byte a[SLOTS];
	bool good;

	do
	:: descend(NONE);
		copy_take(leaf);
		if
		:: good -> break
		:: else -> skip
		fi
	od;
	at = n;
	do
	:: atomic {
			/* The first `at` keys of the copy, from the last one down. */
			do
			:: at > 0 ->
				at--;
				assert(a[at] < last);
				last = a[at];
				seen = seen + (last % 2 == 0)
			:: else -> break
			od
		}
back:
		if
		:: to_prev == NONE -> break
		:: else -> skip
		fi;
		/* memtree_copy_prev(); `right` is where we stand */
		i = leaf;
		leaf = to_prev;
		node_read(word, lock[leaf]);
		copy_take(leaf);
#ifdef BROKEN_3
		if
		:: good -> at = n
#else
		if
		:: good && to_next == i -> at = n
#endif
		:: else ->
			/* memtree_copy(): look for what is below the last key that was told. */
			do
			:: descend(last);
				copy_take(leaf);
				if
				:: good -> break
				:: else -> skip
				fi
			od;
			atomic {
				at = n;
				do
				:: at > 0 && a[at - 1] >= last -> at--
				:: else -> break
				od
			}
			if
			:: at == 0 -> goto back
			:: else -> skip
			fi
		fi;
		i = 0
	od;
	assert(seen == 3)
}

init
{
	byte l, k, n, last;

	atomic {
		bound[1] = 6;
		child[1] = 1;
		count[0] = 2;
		slot[0] = 2;
		slot[1] = 4;
		count[1] = 1;
		slot[2] = 6;
		next[0] = 1;
		next[1] = NONE;
		prev[0] = NONE;
		prev[1] = 0;
		run Add(3);
		run Add(5);
		if
		:: run Find(4)
		:: run Forward()
		:: run Backward()
		fi
	}
	_nr_pr == 1;
	/* memtree_check() */
	atomic {
		l = 0;
		do
		:: l != NONE ->
			for (k : 0 .. count[l] - 1) {
				assert(slot[l * SLOTS + k] > last);
				last = slot[l * SLOTS + k];
				n++
			}
			assert(next[l] == NONE || prev[next[l]] == l);
			l = next[l]
		:: else -> break
		od;
		assert(n == 5)
	}
}
