/* SPDX-License-Identifier: Apache-2.0 */
/* Two connections use one slot, one after the other. Can a late step of the first one harm the second? Is the slot free in
 * the end?
 *
 * test/system/model/slots.test.ts checks it exhaustively. The sources of the steps:
 *
 *	socket	the kernel: a socket opens, closes, and its memory goes to another one
 *	tell	end_closed() of bpf/include/closed.bpf.h, run by two programs; the kernel may skip either
 *	reader	meshaccel_received() of bpf/observe/observe.bpf.c on a sealed connection
 *	scan	bpf/scan/{pair,join,leave,tend,stuck}.bpf.h
 *	rest	redirect_rest() of bpf/sk_msg/verdict.bpf.c
 *
 * A program may be held up between any two of its steps, for any time. Scans never overlap. Each step of the scan is one
 * here.
 *
 * The model is simpler than reality. There is one slot. Each connection has one end. Its other end closes at the same moment,
 * and this is always seen. One message is redirected to the end. Memory is sequentially consistent.
 *
 * Each failure has a name. `wrong`: an open socket is taken for closed. `lost`: a member leaves over unread bytes. `stale`: a
 * connection reads the bytes of the one before. `strayed`: bytes go to another connection. `leaked`: nothing more can happen,
 * and the slot is taken.
 *
 * Scenarios: RECONNECTS: the second connection is the first one's socket, connected again. PARTS: the kernel queues a part of
 * the message, and asks again about the rest. Mutations, each of which must show its failure: the names that begin with
 * WITHOUT_.
 */

/* Joins at most. */
#ifndef JOINS
#define JOINS 2
#endif

#define UNBORN 0
#define OPEN   1
#define CLOSED 2
#define GONE   3

#define FREE	0
#define WATCHED 1
#define JOINED	2
#define SEALED	3

bool wrong, lost, stale, strayed, leaked;

/* The kernel. By connection: its socket, the address of that, and whether redirected bytes are unread. By address: the cookie
 * of the socket there. A socket's cookie is the number of its connection plus one. */
byte socket_state[2], address[2];
bool unread[2];
byte cookie_at[2];
bool gone[2];

/* The slot. */
byte life, owner, closed, join, drained;
bool member, was_redirected;
/* The rest of a message is announced, and not in the queue yet. */
bool under_way;
byte joins;

#define cookie(c) ((c) + 1)
/* conn_of() */
#define has_slot(c) (owner == cookie(c))
#ifdef WITHOUT_NAMED_CLOSE
#define mark(c)	  closed = 1
#define is_closed (closed != 0)
#else
#define mark(c)	  closed = cookie(c)
#define is_closed (closed == owner)
#endif

#define end_of_owner (owner - 1)

inline open_at(c, where)
{
	address[c] = where;
	cookie_at[where] = cookie(c);
	socket_state[c] = OPEN
}

proctype tell(byte c)
{
	bool mine;

	/* The kernel skips a program that interrupts another run of itself. */
	if
	:: goto skipped
	:: true
	fi;
	atomic {
		if
		:: gone[c] -> goto skipped
		:: else -> gone[c] = true
		fi
	};
	mine = has_slot(c);
	if
	:: mine -> mark(c)
	:: else
	fi;
skipped:
	skip
}

/* One receive of what was redirected. */
proctype reader(byte c)
{
	byte seen_join;
	bool ok;

	atomic {
		unread[c] || socket_state[c] >= CLOSED ->
		if
		:: unread[c] -> unread[c] = false
		:: else -> goto end
		fi
	};
	if
	:: has_slot(c) ->
		seen_join = join;
		if
		:: life == SEALED && !unread[owner - 1] && !under_way -> ok = true
		:: else
		fi;
		if
		:: ok -> drained = seen_join
		:: else
		fi
	:: else
	fi;
end:	skip
}

/* The kernel has the address of the socket that got the first part, and no reference to it. */
proctype rest(byte c)
{
	atomic {
#ifdef WITHOUT_REDIRECTING_AGAIN
		strayed = (cookie_at[address[c]] != 0 && cookie_at[address[c]] != cookie(c));
		assert(!strayed);
#else
		/* The key finds the connection's own socket, or none. */
		if
		:: has_slot(c) && member && socket_state[c] == OPEN -> unread[c] = true; run reader(c)
		:: else ->
			lost = (socket_state[c] == OPEN);
			assert(!lost)
		fi;
#endif
		under_way = (has_slot(c) -> false : under_way)
	}
}

proctype socket()
{
	open_at(0, 0);
	run reader(0);
	atomic {
		socket_state[0] = CLOSED;
#ifdef RECONNECTS
		/* The callbacks of a disconnect and of a connect */
#ifndef WITHOUT_DELETING
		unread[0] = false;
		member = (has_slot(0) -> false : member)
#endif
#endif
	};
	run tell(0);
	run tell(0);
#ifdef RECONNECTS
	atomic {
		stale = unread[0];
		assert(!stale);
		socket_state[0] = GONE;
		open_at(1, 0);
		run reader(1)
	};
#else
	/* The other callback may come sooner. */
	if
	:: atomic { open_at(1, 1); run reader(1) };
		atomic { socket_state[0] = GONE; cookie_at[0] = 0; unread[0] = false }
	:: atomic { socket_state[0] = GONE; cookie_at[0] = 0; unread[0] = false };
		atomic { open_at(1, 0); run reader(1) }
	fi;
#endif
	atomic { socket_state[1] = CLOSED };
	run tell(1);
	atomic { socket_state[1] = GONE; cookie_at[address[1]] = 0; unread[1] = false }
}

/* take_out() */
inline take_out()
{
	lost = (socket_state[end_of_owner] == OPEN && unread[end_of_owner]);
	assert(!lost);
	member = false
}

proctype scan()
{
	byte c;

end:	do
	:: atomic { life == FREE && c < 2 && socket_state[c] == OPEN ->
		life = WATCHED;
		owner = cookie(c);
		closed = 0;
		drained = 0;
		was_redirected = false;
		under_way = false;
#ifdef WITHOUT_JOIN_NUMBERS
		join = 0;
#endif
		c++
	   }
	:: atomic { life == FREE && c < 2 && socket_state[c] == GONE -> c++ }
	:: atomic { life == WATCHED && !is_closed && socket_state[end_of_owner] == OPEN && !was_redirected && joins < JOINS ->
		life = JOINED;
		joins++;
		join++;
		member = true
	   }
	:: atomic { life == JOINED && !was_redirected && socket_state[end_of_owner] == OPEN && member ->
		was_redirected = true;
#ifdef PARTS
		under_way = true;
		run rest(end_of_owner);
#endif
		unread[end_of_owner] = true
	   }
	:: atomic { life == JOINED && (was_redirected || is_closed) -> life = SEALED }
	:: atomic { life == SEALED && member && (is_closed || drained == join || (!unread[end_of_owner] && !under_way)) ->
		take_out()
	   }
	:: atomic { life == SEALED && !member -> life = WATCHED }
	:: atomic { life == WATCHED && is_closed ->
		wrong = (socket_state[end_of_owner] == OPEN);
		assert(!wrong);
		life = FREE;
		owner = 0
	   }
	/* Any reason to leave */
	:: atomic { life == JOINED && member -> life = SEALED }
#ifndef WITHOUT_SWEEP
	:: atomic { life != FREE && !is_closed &&
		(cookie_at[address[end_of_owner]] != owner || socket_state[end_of_owner] == CLOSED) -> closed = owner
	   }
#endif
	od
}

init
{
	atomic {
		run socket();
		run scan()
	}
	atomic {
		timeout ->
		leaked = (life != FREE);
		assert(!leaked)
	}
}
