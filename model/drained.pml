/* SPDX-License-Identifier: Apache-2.0 */
/* May an end leave? This is one direction of a connection on a kernel that misbehaves. It skips a count, it fails a redirect, or
 * it sends without asking the verdict.
 *
 * test/system/model/drained.test.ts checks it exhaustively. connection.pml has the whole protocol, with exact counts. This model
 * covers the proofs in bpf/include/drained.bpf.h and accounting.bpf.h. The sources of the steps:
 *
 *	sender	tcp_bpf_sendmsg(); between its locks verdict() and redirect() of bpf/sk_msg/verdict.bpf.c
 *	reader	tcp_recvmsg(), tcp_bpf_recvmsg(); then meshaccel_received() of bpf/observe/observe.bpf.c
 *	agent	bpf/scan/{join,leave,tend,stuck}.bpf.h
 *	reasons	the callers of stop()
 *
 * A message is one byte, or two where a redirect may fail. The sender holds a reference to its psock from before the verdict
 * until its message is in the peer's queue. The reader is edge-triggered: it has an event, and takes a short read for the end.
 * One receive takes all of one queue. A receive is one step, and its count is another one.
 *
 * The model is simpler than reality. The other direction does nothing. Time is arbitrary: each timeout may happen at once. A
 * bound may refuse a send at any time. Memory is sequentially consistent. connection.pml has blocked readers, kicks that get lost
 * and agents that die.
 *
 * Each failure has a name. `reordered`: bytes are read out of order or twice. `lost`: bytes are lost. `stalled`: nothing more can
 * happen, and not all has been read. `unsettled`: nothing more can happen, and a connection is still leaving.
 *
 * Scenarios:
 *
 *	BYTES, JOINS	bytes that are sent; joins at most
 *	MISSES		counts that the kernel skips
 *	FAILURES	redirects that fail, at none or at one of two bytes
 *	SKIPS		sends that go by TCP without asking the verdict
 *	SPLICES		receives by splice, which counts nothing, while the reader is no member
 *	HIDDEN		FIONREAD hides a member's TCP bytes
 *	WAITED_FOR	the other direction has unread redirected bytes; its reader takes them once all bytes of this one have
 *			arrived
 *	SLEEPER		a thread of the sender sleeps in a receive, and holds a reference
 *	READERS		threads that read
 *	UNBOUNDED	no cap refuses a send
 *
 * With two readers one may correct the accounting while the other one has taken bytes and has not counted them yet. Mutations,
 * each of which must show its failure: the names that begin with WITHOUT_.
 */
#ifndef BYTES
#define BYTES 3
#endif
#ifndef JOINS
#define JOINS 2
#endif
#ifndef MISSES
#define MISSES 0
#endif
#ifndef FAILURES
#define FAILURES 0
#endif
#ifndef SKIPS
#define SKIPS 0
#endif
#ifndef SPLICES
#define SPLICES 0
#endif
#ifndef READERS
#define READERS 1
#endif
/* Number of receives in a row that the accounting must explain before an end is wanted. */
#ifndef PROOF
#define PROOF 1
#endif

/* conn->life */
#define WATCHED	 0
#define JOINING	 1
#define JOINED	 2
#define STOPPING 3
#define SEALED	 4

/* direction->path */
#define TCP	 0
#define REDIRECT 1
#define MIXED	 2

bool reordered, lost, stalled, unsettled;

/* The kernel: both queues of the reader, the sequence numbers, the psocks, and the references to the sender's psock. */
chan tcp_queue = [BYTES] of { byte };
chan redirected = [BYTES] of { byte };
byte write_seq, copied_seq;
byte users;
bool sender_member, reader_member;
bool edge;
/* Number of bytes that the application has read. */
byte taken;

/* struct conn and struct end; the counts are modulo 256 */
byte state, join, path, path_seq, drained;
byte sent, received, base;
byte proof = PROOF;
bool attention;
/* The accounting was corrected, and proves nothing any more. */
bool corrected;
/* A look at a sealed connection waits until anything happens. */
bool changed;

byte joins, misses, failures, skips, splices;

#ifdef WAITED_FOR
#define other_drained (taken == BYTES)
#else
#define other_drained true
#endif

/* A psock lives until the last reference is gone. Until then its verdict is asked. */
#define sender_psock (sender_member || users)

/* received_beyond_tcp() */
#define excess(count, copied) ((count - copied + base) & 255)

inline send_by_tcp()
{
	tcp_queue ! number;
	number++;
	write_seq++;
	edge = true;
	changed = true
}

proctype sender()
{
	byte number, size, seen_join;

	do
	:: number == BYTES -> break
	:: atomic { number < BYTES && !sender_psock -> send_by_tcp() }
	:: atomic { number < BYTES && sender_psock && skips < SKIPS ->
		skips++;
		send_by_tcp()
	   }
	:: atomic { number < BYTES && sender_psock ->
		users++;
		size = 1;
		seen_join = join
	   };
#if FAILURES
		if
		:: number + 1 < BYTES -> size = 2
		:: true
		fi;
#endif
		atomic {
			if
			:: state < JOINED || state == SEALED || path == MIXED -> goto pass
			:: else
			fi;
			if
#ifdef WITHOUT_PATH_SEQ
			:: path == TCP ->
#else
			:: path == TCP || path_seq != write_seq ->
#endif
				path = TCP;
				if
				:: state != JOINED || copied_seq != write_seq -> goto pass
				:: else
				fi;
				path = REDIRECT;
				path_seq = write_seq
			:: else
			fi;
			if
			:: state != JOINED && len(redirected) == 0 ->
				path = TCP;
				goto pass
#ifndef UNBOUNDED
			/* bounded() may refuse at any time */
			:: true ->
				path = (len(redirected) -> MIXED : TCP);
				goto pass
#endif
			:: true
			fi
		}
		/* redirect() */
		sent = sent + size;
		atomic {
			if
			:: (state != JOINED && state != STOPPING) || join != seen_join || !reader_member ->
				sent = sent - size;
				path = MIXED;
				changed = true;
				goto pass
			:: else
			fi
		}
		/* bpf_tcp_ingress(): the sender's lock has been dropped */
		atomic {
			if
			:: failures < FAILURES ->
				/* The application sends again the byte that the kernel did not take. */
				failures++;
				size--
			:: true
			fi;
			changed = true;
			if
			:: size ->
				lost = !reader_member;
				assert(!lost);
				redirected ! number;
				number++;
				size--;
				edge = true
			:: else
			fi;
			if
			:: size -> redirected ! number; number++; size--
			:: else
			fi
		}
		goto next;
pass:
		atomic {
			send_by_tcp();
			attention = true
		}
next:
		atomic {
			users--;
			size = 0;
			seen_join = 0;
			changed = true
		}
	od
}

#ifdef SLEEPER
/* Another thread of the sender sleeps in tcp_bpf_recvmsg(), and no byte ever comes. */
proctype sleeper()
{
end:	atomic { sender_member -> users++ }
}
#endif

inline take(queue)
{
	queue ? number;
	reordered = (number != taken);
	assert(!reordered);
	number = 0;
	taken++;
	n++;
	changed = true
}

/* The answer of the accounting, in `ok`. The left side lags, so it is read first. */
inline ask_books()
{
	seen = received;
	d_step {
		ok = (excess(seen, copied_seq) == sent);
		seen = 0
	}
}

/* The answer of the kernel's structures, in `ok`. Check the references first and the queue afterwards. */
inline ask_structure()
{
#ifdef WITHOUT_REFERENCES
	ok = (len(redirected) == 0);
#else
#ifdef WITHOUT_REFERENCES_FIRST
	ok = (len(redirected) == 0);
	ok = (ok && (!sender_psock || users == 0));
#else
	ok = (!sender_psock || users == 0);
	ok = (ok && len(redirected) == 0);
#endif
#endif
}

/* redirect_drained_in(): the answer is in `ok`. */
inline ask_drained()
{
	ok = (drained == seen_join);
#ifndef WITHOUT_BOOKS
	if
	:: !ok -> ask_books()
	:: else
	fi;
#endif
#ifndef WITHOUT_DISTRUST
	ok = (ok && (drained == seen_join || !corrected));
#endif
#ifndef WITHOUT_STRUCTURE
	if
	:: !ok -> ask_structure()
	:: else
	fi;
#endif
	if
	:: ok && drained != seen_join -> atomic { drained = seen_join; changed = true }
	:: else
	fi
}

/* meshaccel_received(), which the kernel may skip. */
inline account()
{
	if
	:: atomic { misses < MISSES -> misses++; n = 0; changed = true; goto end }
	:: atomic { true -> received = received + n; n = 0; changed = true }
	fi;
	seen_join = join;
	if
	:: state == SEALED ->
		ask_drained();
		ok = false
	:: state == WATCHED ->
		/* prove(): nothing redirected is unread, unless the connection has joined meanwhile */
		atomic {
			seen = excess(received, copied_seq) - sent;
			if
			:: seen == 0 -> proof = (proof < PROOF -> proof + 1 : proof)
			:: else -> proof = 0
			fi
		};
#ifndef WITHOUT_PROVING_AGAIN
		atomic {
			if
			:: state != WATCHED || join != seen_join -> seen = 0
			:: else
			fi
		};
#endif
		corrected = (corrected || seen);
		atomic {
			base = base - seen;
			seen = 0
		}
	:: else
	fi;
	seen_join = 0;
	goto end
}

proctype reader()
{
	byte number, n, seen, seen_join;
	bool ok;

end:	atomic {
		edge ->
		edge = false;
		if
		:: len(redirected) ->
			do
			:: len(redirected) -> take(redirected)
			:: else -> break
			od
		:: else ->
			do
			:: len(tcp_queue) ->
				take(tcp_queue);
				copied_seq++;
#ifdef HIDDEN
				if
				:: reader_member -> break
				:: else
				fi
#endif
			:: else -> break
			od;
			/* A splice, which is not counted. */
			if
			:: splices < SPLICES && n && !reader_member -> splices++; n = 0
			:: true
			fi
		fi
	};
	if
	:: n -> account()
	:: else -> goto end
	fi
}

/* A kick of a reader that has TCP bytes waiting. */
inline wake_reader()
{
	if
	:: reader_member && len(tcp_queue) -> edge = true
	:: else
	fi
}

#ifdef WITHOUT_SWEEP
#define unseen false
#else
/* sweep_member(): TCP bytes lie unread on a member */
#ifdef WITHOUT_WAKING_REDIRECTED
#define unseen (len(tcp_queue) && !edge && path != REDIRECT)
#else
#define unseen (len(tcp_queue) && !edge)
#endif
#endif

proctype agent()
{
	byte seen, seen_join;
	bool ok;

end:	do
	/* enter() refuses a socket whose old psock is still there. */
	:: atomic { state == WATCHED && joins < JOINS && proof == PROOF && !users &&
		excess(received, copied_seq) == sent ->
		joins++;
		state = JOINING
	   };
		reader_member = true;
		atomic {
			if
			:: users -> goto undo
			:: else -> sender_member = true
			fi
		};
		ask_books();
		atomic {
			if
			:: ok ->
				path = TCP;
				join++;
				state = JOINED;
				attention = true
			:: else ->
undo:
				sender_member = false;
				reader_member = false;
				state = WATCHED;
				if
				:: len(tcp_queue) -> edge = true
				:: else
				fi
			fi;
			ok = false
		}
	:: atomic { state == JOINED && (attention || unseen) ->
		attention = (path == MIXED || (path == TCP && len(tcp_queue)));
		if
		:: path == MIXED && len(redirected) == 0 -> state = STOPPING
#ifdef WITHOUT_WAKING_REDIRECTED
		:: path == TCP -> wake_reader()
#else
		:: path != MIXED -> wake_reader()
#endif
		:: else
		fi
	   }
	:: atomic { state == STOPPING -> state = SEALED; changed = true }
	/* The sender's end may leave before the reader's. */
	:: atomic { state == SEALED && sender_member -> sender_member = false; changed = true }
	:: atomic { state == SEALED && changed -> changed = false; seen_join = join };
		ask_drained();
		atomic {
			if
			:: ok && other_drained ->
				lost = (len(redirected) > 0);
				assert(!lost);
				sender_member = false;
				reader_member = false;
				path = TCP;
				state = WATCHED;
				if
				:: len(tcp_queue) -> edge = true
				:: else
				fi
#ifdef WITHOUT_WAKING_SEALED
			:: else
#else
			:: else -> wake_reader()
#endif
			fi;
			ok = false;
			seen_join = 0
		}
	od
}

/* A reason to leave comes at any time, or never. */
proctype reasons()
{
	byte n;

	do
	:: n == JOINS -> break
	:: n < JOINS -> n++;
		if
		:: atomic { state == JOINED -> state = STOPPING; changed = true }
		:: n = JOINS
		fi
	od
}

init
{
	atomic {
		run sender();
		run reader();
#if READERS == 2
		run reader();
#endif
#ifdef SLEEPER
		run sleeper();
#endif
		run agent();
		run reasons()
	}
	atomic {
		timeout ->
		stalled = (taken < BYTES);
		assert(!stalled);
		unsettled = (state != WATCHED && state != JOINED);
		assert(!unsettled)
	}
}
