/*
 * Installing versions against readers and the deletion of files.
 *
 *   Install    install_run() (src/db/install.c): the edit goes to the manifest,
 *              durably; then, under mu, cf->version and the view are replaced
 *              (view_publish()), and the inputs are marked obsolete (drop_inputs());
 *              then the old version loses the family's reference
 *   Get        shale_multi_get() (src/db/read.c): epoch_enter(), load the view, read
 *              its tables, epoch_exit(); no reference
 *   Iterate    shale_iter_new() (src/db/iterate.c): epoch_enter(), load the view and
 *              reference it, epoch_exit(); read later; view_unref()
 *   Reclaim    epoch_reclaim() (src/base/epoch.c): a view whose readers have left
 *              loses its first reference
 *   collect    table_meta_unref() (src/version/meta.c): the last reference of an
 *              obsolete table gives its file to garbage_some(), which deletes it
 *
 * View v is version v, whose one table is file v. Version v + 1 replaces v: a merge
 * of one table into another. The references of view, version and table are counted
 * as in the code.
 *
 * Shown: nobody reads through a freed view or a deleted file; a file that the durable
 * manifest names exists at any moment, so a crash anywhere is survived; in the end
 * all old files are gone.
 *
 * BROKEN_1: epoch_retire() notes the counters before the view is replaced.
 * BROKEN_2: an iterator leaves the epoch before it references its view.
 * BROKEN_3: memory goes first, the manifest after it.
 * BROKEN_4: a retired view is freed when the first of its readers leaves.
 */
#define VERSIONS 3
#define SLOTS 2

byte view = 0;                 /* cf->view */
byte view_refs[VERSIONS];      /* the first is the epoch's */
byte version_refs[VERSIONS];   /* the family's, and its view's */
byte table_refs[VERSIONS];     /* its version's */
bool view_freed[VERSIONS];
bool obsolete[VERSIONS];
bool deleted[VERSIONS];
byte manifest = 0;             /* the version that the durable manifest describes */

byte counter[SLOTS];           /* odd: a reader is inside */
bool retired[VERSIONS];
bool waits[VERSIONS * SLOTS];
byte noted[VERSIONS * SLOTS];

/* A crash at this moment finds what its manifest names. */
#define RECOVERABLE assert(!deleted[manifest])

inline table_unref(t)
{
	atomic {
		table_refs[t]--;
		if
		:: table_refs[t] == 0 && obsolete[t] -> deleted[t] = true; RECOVERABLE
		:: else -> skip
		fi
	}
}

inline version_unref(v)
{
	version_refs[v]--;
	if
	:: version_refs[v] == 0 -> table_unref(v)
	:: else -> skip
	fi
}

inline view_unref(v)
{
	atomic {
		assert(view_refs[v] > 0 && !view_freed[v]);
		view_refs[v]--;
		if
		:: view_refs[v] == 0 -> view_freed[v] = true; version_unref(v)
		:: else -> skip
		fi
	}
}

inline enter()
{
	/* A compare-and-swap from even to odd in any free slot. */
	if
	:: atomic { counter[0] % 2 == 0 -> counter[0]++; slot = 0 }
	:: atomic { counter[1] % 2 == 0 -> counter[1]++; slot = 1 }
	fi
}

inline leave()
{
	counter[slot]++
}

inline read_tables(v)
{
	/* Later than the step before it, as late as need be: one look is enough. */
	atomic {
		assert(!view_freed[v]);
		assert(version_refs[v] > 0 && !deleted[v])
	}
}

inline note(v)
{
	i = 0;
	do
	:: i < SLOTS ->
		atomic {
			noted[v * SLOTS + i] = counter[i];
			waits[v * SLOTS + i] = counter[i] % 2 == 1;
			i++
		}
	:: else -> break
	od
}

proctype Install()
{
	byte next, i, old;

	for (next : 1 .. VERSIONS - 1) {
		old = next - 1;
#ifndef BROKEN_3
		manifest = next;
		RECOVERABLE;
#endif
		version_refs[next] = 2;
		table_refs[next] = 1;
		view_refs[next] = 1;
#ifdef BROKEN_1
		note(old);
#endif
		view = next;		/* atomic_exchange(&cf->view, v) */
#ifndef BROKEN_1
		note(old);
#endif
		retired[old] = true;
		obsolete[old] = true;	/* drop_inputs(), before the old version is let go */
		atomic { version_unref(old) }
#ifdef BROKEN_3
		/* The workers may delete here already. */
		manifest = next;
		RECOVERABLE
#endif
	}
}

proctype Reclaim()
{
	byte v = 0, s;

	do
	:: v < VERSIONS - 1 ->
		retired[v];		/* wait for it; the list keeps the order here */
		s = 0;
		do
		:: s < SLOTS ->
			/* safe(): this slot's reader of then has left */
			!waits[v * SLOTS + s] || counter[s] != noted[v * SLOTS + s];
			s++;
#ifdef BROKEN_4
			break
#endif
		:: else -> break
		od;
		view_unref(v);
		v++
	:: else -> break
	od
}

proctype Get()
{
	byte slot, mine, times;

	for (times : 1 .. 2) {
		enter();
		mine = view;
		read_tables(mine);
		leave()
	}
}

proctype Iterate()
{
	byte slot, mine;

	enter();
	mine = view;
#ifdef BROKEN_2
	leave();
#endif
	atomic {
		assert(!view_freed[mine]);
		view_refs[mine]++	/* view_ref() */
	}
#ifndef BROKEN_2
	leave();
#endif
	read_tables(mine);
	view_unref(mine)
}

init
{
	byte v;

	atomic {
		view_refs[0] = 1;
		version_refs[0] = 2;
		table_refs[0] = 1;
		run Install();
		run Reclaim();
		run Get();
		run Iterate()
	}
	_nr_pr == 1;
	for (v : 0 .. VERSIONS - 2) {
		assert(view_freed[v] && deleted[v])
	}
	assert(!deleted[VERSIONS - 1])
}
