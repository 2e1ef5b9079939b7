/*
 * The log: group commit, rotation, and flushes that let go of segments.
 *
 *   Commit    commit_run() (src/db/commit.c): under commit_mu a place in the log, a
 *             ticket, the memtable's log_first, then log_segment; published in order
 *             (publish.pml shows that), which moves `completed`; then wal_sync()
 *   sync      wal_sync() (src/wal/sync.c): who finds no leader leads, takes the
 *             completed position of that moment, syncs the segments up to it, and
 *             then moves `durable`; others wait in the group that forms. After its
 *             sync the leader wakes its group, and one of the next to lead.
 *   Flush     flush_some() (src/db/flush.c): one family's memtable is sealed
 *             (seal_family()), built when all its commits are published, the log is
 *             synced (sync_log()), and installed: the edit that adds the table
 *             removes the segments below the least one that another memtable still
 *             needs (log_encode_removals() in src/db/log.c); wal_release() then
 *             takes their files, as a leader.
 *
 * A record is a commit, its position its ticket; a segment holds CAPACITY of them.
 * A sync may fail, once; on most systems the pages count as clean then, so a later
 * sync of the file succeeds and writes nothing: what was under way is lost for good.
 *
 * Shown at each step that matters: what is acknowledged outlives a power cut, being in
 * a table or in a live segment that is synced; nothing is acknowledged by the log
 * once a sync has failed, but what was durable before; nobody sleeps for ever.
 *
 * BROKEN_1: those who waited for the leader take its return for success.
 * BROKEN_2: `durable` becomes what is completed after the sync, not before it.
 * BROKEN_3: segments go without a look at the other family's memtable.
 * BROKEN_4: log_segment is looked at after the memtables, not before.
 * BROKEN_5: a failed sync is tried again.
 * BROKEN_6: who was woken to lead and need not, wakes nobody.
 * BROKEN_7: a memtable is flushed before its last commits are published.
 * BROKEN_8: a leader wakes as many of its group as it has served, not all who sleep.
 */
#define N 3            /* commits: one for each writer */
#define CAPACITY 1
#define SEGMENTS 3     /* numbered from 1 */
#define FAMILIES 2

/* The ordered step. */
bool commit_mu;
byte next_ticket;
byte log_segment = 1;
byte current[FAMILIES];             /* generation of the family's active memtable: 0 or 1 */
byte log_first[FAMILIES * 2];      /* of each memtable; 0: nothing of it is in the log */
bool flushed[FAMILIES * 2];

/* What became of each record. */
byte memtable[N];
bool done[N];          /* applied */
bool on_disk[N];       /* its bytes are in the file for good */
bool lost[N];          /* a sync that held them failed */
bool in_table[N];
bool acked[N];
byte completed;        /* all before it are applied and visible */

/* Files and manifest. */
bool removed[SEGMENTS + 1];    /* the manifest does not name it any more */
bool closed[SEGMENTS + 1];     /* its file is gone: segment_retire() */
bool failed;                   /* a sync has failed */
bool installing;               /* install_mu */

/* Group commit. */
byte durable;
bool poisoned;
bool leading;
bit group;             /* round & 1: of the group that forms */
byte waiting[2];
byte ended[2];         /* rounds of each group, modulo 8 */
byte asleep[N + 2];    /* 1 + the group in which a process sleeps, by its number */

#define SEGMENT(ticket) (1 + (ticket) / CAPACITY)

inline survives()
{
	byte c;

	for (c : 0 .. N - 1) {
		assert(!acked[c] || in_table[c] || (on_disk[c] && !removed[SEGMENT(c)]));
	}
	c = 0
}

/* ---- group commit: of atomic steps, as sync_mu is held, or of the kernel's ---- */

/* The processes are 1 to N + 1, here by name: each of those asleep may be the one. */
inline wake_one(g)
{
	if
	:: asleep[1] == 1 + g -> asleep[1] = 0
	:: asleep[2] == 1 + g -> asleep[2] = 0
	:: asleep[3] == 1 + g -> asleep[3] = 0
	:: asleep[4] == 1 + g -> asleep[4] = 0
	:: else -> skip
	fi
}

inline wake_all(g)
{
#ifdef BROKEN_8
	do
	:: r > 0 -> wake_one(g); r--
	:: else -> break
	od
#else
	for (s : 1 .. N + 1) {
		if
		:: asleep[s] == 1 + g -> asleep[s] = 0
		:: else -> skip
		fi
	}
	s = 0
#endif
}

/* The leader has gathered: its group ends here. */
inline close_group()
{
	mine = group;
	group = 1 - group
}

/*
 * In the step that lets go of sync_mu. The group served is woken in a later one; the next leader
 * in this one, to have fewer states: in the code he is woken after it, too, and a wake-up that
 * comes late only makes somebody look again.
 */
inline unlead()
{
	leading = false;
	ended[mine] = (ended[mine] + 1) % 8;
#ifdef BROKEN_8
	r = waiting[mine];
#endif
	waiting[mine] = 0;
	if
	:: waiting[1 - mine] != 0 -> wake_one(1 - mine)
	:: else -> skip
	fi
}

inline pass_on()
{
#ifdef BROKEN_6
	skip
#else
	if
	:: !leading && waiting[group] != 0 -> wake_one(group)
	:: else -> skip
	fi
#endif
}

/* join(): falls asleep in the step that has found a leader ... */
inline fall_asleep()
{
	mine = group;
	heard = ended[mine];
	waiting[mine]++;
	asleep[_pid] = 1 + mine
}

/*
 * ... and goes on when it is woken. Only then it looks whether its round has ended, or if not,
 * in another step, under sync_mu; and sleeps on if there is a leader.
 */
inline wake_up()
{
	do
	:: atomic {
		asleep[_pid] == 0;
		if
		:: ended[mine] != heard -> break
		:: else -> skip
		fi
	};
	atomic {
		if
		:: ended[mine] != heard -> break
		:: ended[mine] == heard && leading -> asleep[_pid] = 1 + mine
		:: ended[mine] == heard && !leading -> waiting[mine]--; break
		fi
	}
	od
}

/* fdatasync() of segment s, which is to bring its records below `upto` to the disk. */
inline sync_file(s, upto)
{
	atomic {
		if
		:: skip -> rc = true
		:: !failed -> failed = true; rc = false
		fi;
		for (r : 0 .. N - 1) {
			if
			:: SEGMENT(r) == s && r < upto && !on_disk[r] && !lost[r] ->
				if
				:: rc -> on_disk[r] = true
				:: else -> lost[r] = true
				fi
			:: else -> skip
			fi
		}
		r = 0
	}
}

/* sync_completed() and sync_chain(), outside of sync_mu. */
inline lead_sync()
{
	target = completed;
	rc = true;
	s = 1;
	do
	:: s <= SEGMENTS && (s - 1) * CAPACITY < target && rc ->
		if
		:: !closed[s] && durable < s * CAPACITY ->
			sync_file(s, target);
#ifdef BROKEN_5
			if
			:: !rc -> sync_file(s, target)
			:: else -> skip
			fi
#endif
		:: else -> skip
		fi;
		s++
	:: else -> break
	od;
	s = 0;
	if
#ifdef BROKEN_2
	:: rc && target > durable -> durable = completed
#else
	:: rc && target > durable -> durable = target
#endif
	:: rc && target <= durable -> skip
	:: !rc -> poisoned = true
	fi;
	target = 0
}

/* wal_sync(lsn); ok tells its outcome. */
inline wal_sync(lsn)
{
	ok = true;
	do
	:: atomic { durable >= lsn -> pass_on() }; break
	:: atomic { durable < lsn && poisoned -> ok = false; pass_on() }; break
	:: atomic { durable < lsn && !poisoned && leading -> fall_asleep() };
		wake_up();
#ifdef BROKEN_1
		break
#else
		if
		:: ended[mine] != heard && durable >= lsn -> break
		:: else -> skip
		fi
#endif
	:: atomic { durable < lsn && !poisoned && !leading -> leading = true };
		/* It gathers: how long is left to chance. */
		atomic { close_group() };
		lead_sync();
		atomic { unlead() };
		atomic { wake_all(mine) }
	od;
	mine = 0;
	heard = 0
}

/* ---- commits ---- */

proctype Commit(byte family)
{
	byte t, s, target, heard, m, r;
	bit mine;
	bool rc, ok;

	/* The ordered step. Others look at what it stores without its lock. */
	atomic {
		!commit_mu;
		if
		:: poisoned -> goto stopped
		:: else -> commit_mu = true
		fi;
		t = next_ticket;
		next_ticket++;
		m = family * 2 + current[family];
		memtable[t] = m
	}
	if
	:: log_first[m] == 0 -> log_first[m] = SEGMENT(t)
	:: else -> skip
	fi;
	m = 0;
	log_segment = SEGMENT(t);
	commit_mu = false;

	/* apply(), publish(), publish_wait() */
	atomic {
		done[t] = true;
		do
		:: completed < N && done[completed] -> completed++
		:: else -> break
		od
	}
	completed > t;
	wal_sync(t + 1);
	atomic {
		if
		:: ok ->
			acked[t] = true;
			assert(!lost[t]);
			survives()
		:: else -> skip
		fi
	}
stopped:
	skip
}

/* ---- flush ---- */

proctype Flush(byte family)
{
	byte s, target, heard, seal_ticket, least, m, r, lsn;
	bit mine;
	bool rc, ok;

	/* If the log fails before anything is in the memtable, this is where it ends. */
end:	atomic {
		!commit_mu && log_first[family * 2] != 0;
		current[family] = 1;
		seal_ticket = next_ticket
	}
#ifndef BROKEN_7
	completed >= seal_ticket;
#endif
	/* sync_log(): its failure stops the writes, but not this flush. */
	lsn = completed;
	wal_sync(lsn);
	lsn = 0;

	/* install_mu: one at a time, here over the encoding and the edit. */
	atomic { !installing; installing = true }
#ifdef BROKEN_4
	least = SEGMENTS + 1;
#else
	least = log_segment;
#endif
	m = 0;
	do
	:: m < FAMILIES * 2 ->
#ifdef BROKEN_3
		if
		:: m / 2 == family && m != family * 2 && !flushed[m] && log_first[m] != 0 &&
			log_first[m] < least -> least = log_first[m]
		:: else -> skip
		fi;
#else
		if
		:: m != family * 2 && !flushed[m] && log_first[m] != 0 && log_first[m] < least ->
			least = log_first[m]
		:: else -> skip
		fi;
#endif
		m++
	:: else -> break
	od;
#ifdef BROKEN_4
	if
	:: log_segment < least -> least = log_segment
	:: else -> skip
	fi;
#endif
	/* The edit is durable: the table is there, the segments are not. */
	atomic {
		for (r : 0 .. N - 1) {
			if
			:: done[r] && memtable[r] == family * 2 -> in_table[r] = true
			:: else -> skip
			fi
		}
		flushed[family * 2] = true;
		for (m : 1 .. SEGMENTS) {
			if
			:: m < least -> removed[m] = true
			:: else -> skip
			fi
		}
		m = 0;
		r = 0;
		installing = false;
		survives()
	}
	/* wal_release(): leads, so that no sync is under way in what it closes. */
	do
	:: atomic { leading -> fall_asleep() }; wake_up()
	:: atomic { !leading -> leading = true }; break
	od;
	atomic {
		for (m : 1 .. SEGMENTS) {
			if
			:: m < least -> closed[m] = true
			:: else -> skip
			fi
		}
		m = 0;
		leading = false;
		pass_on()
	}
}

init
{
	atomic {
		run Commit(0);
		run Commit(1);
		run Commit(0);
		run Flush(0)
	}
}
