/*
 * Publication (src/db/publish.c): commits become visible in the order of their
 * tickets, and none is forgotten.
 *
 *   Commit    commit_run(): takes a ticket, applies in its own time, publish()
 *   advance   advance(): whoever gets the `publishing` word moves `published` over
 *             all marked slots (advance_held()), lets go, and looks again
 *
 * Marking, looking, taking and letting go are sequentially consistent in the code,
 * so each is one step here.
 *
 * BROKEN_1: the holder does not look again when it has let go.
 * BROKEN_2: the holder moves over a slot that is not marked yet.
 */
#define N 4

bool done[N];     /* ring[ticket].done == ticket + 1 */
bool applied[N];  /* its operations are in the memtables */
byte published;
bool publishing;

inline advance_held()
{
	byte t = published;

	do
#ifdef BROKEN_2
	:: t < N -> t++; break
#else
	:: t < N && done[t] -> t++
#endif
	:: else -> break
	od;
	/* What is visible has been applied, and the holder alone moves it. */
	atomic {
		byte i;

		for (i : published .. t - 1) {
			assert(applied[i]);
		}
		assert(t >= published);
		published = t
	}
}

inline advance()
{
	bool held;

	do
	:: published < N && done[published] ->
		/* atomic_exchange(&db->publishing, 1) */
		atomic { held = publishing; publishing = true }
		if
		:: held -> break	/* the holder will look again */
		:: else -> skip
		fi;
		advance_held();
		publishing = false;
#ifdef BROKEN_1
		break
#endif
	:: else -> break
	od
}

proctype Commit(byte ticket)
{
	applied[ticket] = true;
	done[ticket] = true;
	advance();
	/* publish_wait(): a commit that is forgotten stays here, which is an invalid end. */
	published > ticket
}

init
{
	atomic {
		byte n;

		for (n : 0 .. N - 1) {
			run Commit(n)
		}
	}
}
