/* SPDX-License-Identifier: Apache-2.0 */
/* One connection joins, leaves and joins again while both its ends send. Is every byte read once and in order?
 *
 * test/system/model/connection.test.ts checks it exhaustively. Other processors may see something between two steps of a
 * program: each such step is a step here. Work of the kernel under one lock is one step. The sources of the steps:
 *
 *	sender	tcp_bpf_sendmsg(), and between its locks verdict() and redirect() of bpf/sk_msg/verdict.bpf.c
 *	network	TCP: in order, nothing lost, arrives at any time
 *	reader	tcp_recvmsg(), tcp_bpf_recvmsg(); then meshaccel_received() of bpf/observe/observe.bpf.c
 *	agent	bpf/scan/{pair,join,tend,leave}.bpf.h; then the kicks of src/datapath/loop/scans.ts, each of which is a run of
 *		meshaccel_kick
 *	fate	SIGKILL for the agent, and its successor: at any time, but not inside a run of a program
 *	toggle	the agent's withdraw() and enrol(), drain and resume
 *
 * redirect_drained() is that of bpf/include/drained.bpf.h. The scan and readers ask it.
 *
 * The model is simpler than reality. A message is a unit that one receive takes whole. Time is arbitrary: each timeout may
 * happen at once. Readers are assumed to meet the conditions of a join (proof, turns). No end closes (the end of a stream
 * is like a last message by TCP), no reader splices, and
 * one thread sends. Memory is sequentially consistent: the programs have fences for this.
 *
 * Each failure has a name. `reordered`: a message is read out of order. `lost`: a message is in a queue that is discarded, or
 * on its way into a queue that is gone. `stalled`: nothing more can happen, and not all has been read. `unsettled`: nothing
 * more can happen, and a live agent has left the connection between two states.
 *
 * An agent that is dead for good may have left a connection halfway (left_halfway): sealed, mixed, or with a kick that was
 * not given. An edge-triggered reader may stall there until a successor comes. Nothing is lost or reordered.
 *
 * Scenarios:
 *
 *	MESSAGES0, MESSAGES1	messages in each direction
 *	JOINS			joins at most
 *	READERS0, READERS1	the readers of each direction: one that is edge-triggered (EDGE) or blocks (BLOCKING),
 *				or two threads of either kind (TWO_EDGE, TWO)
 *	AGENT			LIVES, DIES or is REPLACED
 *	STALE_STOPS		1 (policies `full`, `proxies-only`) or 0 (`strict`)
 *	TCP_HIDDEN		FIONREAD hides a member's TCP bytes, so its reader waits for an event after each
 *	SLOW_NETWORK, FINE, WITHOUT_TOGGLE
 *
 * Mutations, each of which must show its failure: the other names that begin with WITHOUT_.
 *
 * A trail:
 *
 *	spin -a -DWITHOUT_R1 connection.pml && gcc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -n
 *	spin -t -p -DWITHOUT_R1 connection.pml
 */
#define EDGE	 0
#define BLOCKING 1
#define TWO	 2
#define TWO_EDGE 3

#define LIVES	 0
#define DIES	 1
#define REPLACED 2

#ifndef MESSAGES0
#define MESSAGES0 2
#endif
#ifndef MESSAGES1
#define MESSAGES1 1
#endif
#ifndef JOINS
#define JOINS 2
#endif
#ifndef READERS0
#define READERS0 EDGE
#endif
#ifndef READERS1
#define READERS1 BLOCKING
#endif
#ifndef AGENT
#define AGENT LIVES
#endif
#ifndef STALE_STOPS
#define STALE_STOPS 1
#endif
/* R3, in messages: the cap, and the cap while the agent is dead. */
#ifndef CAP
#define CAP 1
#endif
#ifndef STALE_CAP
#define STALE_CAP 2
#endif

/* FINE: every read and write of the verdict and of the receive accounting is a step of its own. Otherwise steps that others
 * cannot tell apart are one. Then both directions fit into one model. */
#ifdef FINE
#define together
#define alone	 atomic
#else
#define together atomic
#define alone
#endif
/* One reader cannot race with itself; two of them can. */
#if defined(FINE) || READERS0 >= TWO
#define together_unless_two
#else
#define together_unless_two atomic
#endif

/* conn->state, in the order that the verdict compares by */
#define WATCHED	 0
#define JOINING	 1
#define JOINED	 2
#define STOPPING 3
#define SEALED	 4

/* direction->path */
#define TCP	 0
#define REDIRECT 1
#define MIXED	 2

#define messages(d) (d == 0 -> MESSAGES0 : MESSAGES1)

/* End 0 sends direction 0, which end 1 reads. */
#define reader_of(d) (1 - (d))
#define read_by(e)   (1 - (e))
#define blocks(readers) (readers == BLOCKING || readers == TWO)
#define is_blocking(d) ((d == 0 && blocks(READERS0)) || (d == 1 && blocks(READERS1)))

bool reordered, lost, stalled, unsettled;

/* The kernel: messages on their way by TCP, in the TCP queue, and in the redirected queue. */
chan wire[2] = [2] of { byte };
chan tcp_queue[2] = [2] of { byte };
chan redirected[2] = [2] of { byte };
/* By direction: messages that were sent by TCP, taken from the TCP queue, and read in total. */
byte write_seq[2], copied_seq[2], taken[2];
/* psock, by end: which psock the socket has, 0 for none. edge, by direction: the edge-triggered reader has an event. */
byte psock[2];
bool edge[2];

/* struct conn */
byte state, join;
byte sent[2], received[2], drained[2], path[2], path_seq[2], trap_seq[2];
bool attention, kick[2];
/* struct config, and the map of pods */
bool redirecting = true, stale;

/* The agent. */
bool alive = true, inside;
bool to_kick[2];
byte joins;
/* A scan that found nothing to do waits until anything happens. */
bool waiting;

inline something_happened()
{
	waiting = false
}

inline attend()
{
	attention = true;
	something_happened()
}

/* The message of direction d goes by TCP. */
inline send_by_tcp()
{
	atomic {
#ifdef SLOW_NETWORK
		wire[d] ! number;
#else
		tcp_queue[d] ! number;
		edge[d] = !is_blocking(d);
#endif
		write_seq[d]++;
		attend()
	}
}

proctype sender(byte d)
{
	byte number, reason, seen_join;

	do
	:: number == messages(d) -> break
	:: number < messages(d) && !psock[d] ->
		send_by_tcp();
		number++
	:: number < messages(d) && psock[d] ->
		together {
			seen_join = join;
			alone {
				if
				:: state < JOINED || state == SEALED || path[d] == MIXED -> goto pass
				:: else
				fi;
				/* must_stop() */
				reason = (state != JOINED || !redirecting || (STALE_STOPS && stale))
			};
			alone {
				if
				:: path[d] == TCP || path_seq[d] != write_seq[d] ->
					path[d] = TCP;
					if
					:: reason -> goto pass
					:: else
					fi;
					/* tcp_drained() */
#ifndef WITHOUT_R1
					if
					:: copied_seq[d] != write_seq[d] -> goto pass
					:: else
					fi;
#endif
#ifndef WITHOUT_BLOCKED_READER_RULE
					if
					:: copied_seq[d] <= trap_seq[d] -> goto pass
					:: else
					fi;
#endif
					path[d] = REDIRECT;
					path_seq[d] = write_seq[d]
				:: else
				fi
			};
			alone {
				if
#ifdef WITHOUT_R1_BACK
				:: reason ->
#else
				:: reason && len(redirected[d]) == 0 ->
#endif
					path[d] = TCP;
					goto pass
				:: else
				fi;
				/* bounded() */
				if
				:: len(redirected[d]) >= CAP && !(stale && len(redirected[d]) < STALE_CAP) ->
					path[d] = MIXED;
					goto pass
				:: else
				fi
			};
			/* is_stream(), or another reason to stop() */
			if
			:: alone { state == JOINED -> state = STOPPING; attend() }
			:: true
			fi
		}
		/* redirect() */
#ifndef WITHOUT_ANNOUNCING_FIRST
		sent[d]++;
#endif
		together {
			if
			:: state != JOINED && state != STOPPING -> goto withdraw
			:: else
			fi;
#ifndef WITHOUT_JOIN_NUMBER
			if
			:: join != seen_join -> goto withdraw
			:: else
			fi;
#endif
			if
			:: !psock[reader_of(d)] -> goto withdraw
			:: else
			fi
		}
#ifdef WITHOUT_ANNOUNCING_FIRST
		sent[d]++;
#endif
		/* bpf_tcp_ingress(): the sender's lock has been dropped */
		atomic {
			lost = !psock[reader_of(d)];
			assert(!lost);
			redirected[d] ! number;
			edge[d] = !is_blocking(d);
			something_happened()
		}
		goto next;
withdraw:
		atomic {
#ifndef WITHOUT_ANNOUNCING_FIRST
			sent[d]--;
#endif
			path[d] = MIXED;
			something_happened()
		}
pass:
		send_by_tcp();
next:
		atomic {
			number++;
			reason = 0;
			seen_join = 0
		}
	od
}

#ifdef SLOW_NETWORK
proctype network(byte d)
{
	byte number;

end:	do
	:: atomic {
		wire[d] ? number ->
		tcp_queue[d] ! number;
		edge[d] = !is_blocking(d);
		number = 0;
		something_happened()
	   }
	od
}
#endif

inline take(queue)
{
	queue ? number;
	reordered = (number != taken[d]);
	assert(!reordered);
	number = 0;
	taken[d]++;
	n++;
	something_happened()
}

/* Whether all that was announced has been read. The answer is in `ok`. The caller has variables of its own. */
inline redirect_drained(direction, ok)
{
	if
	:: drained[direction] == seen_join -> ok = true
	:: else ->
#ifdef WITHOUT_READING_RECEIVED_FIRST
		seen_copied = copied_seq[direction];
		seen_received = received[direction];
#else
		seen_received = received[direction];
		seen_copied = copied_seq[direction];
#endif
		d_step {
			ok = (seen_received - seen_copied == sent[direction]);
			seen_received = 0;
			seen_copied = 0
		}
		if
		:: ok -> d_step { drained[direction] = seen_join; something_happened() }
		:: else
		fi
	fi
}

/* Counts the bytes that were taken. If the connection is sealed, checks whether those were the last. */
inline account()
{
	together_unless_two {
		d_step {
			received[d] = received[d] + n;
			n = 0;
			something_happened()
		}
#ifdef WITHOUT_READING_JOIN_FIRST
		sealed = (state == SEALED);
		seen_join = join;
#else
		seen_join = join;
		sealed = (state == SEALED);
#endif
		if
		:: sealed -> redirect_drained(d, sealed)
		:: else
		fi;
		d_step {
			sealed = false;
			seen_join = 0
		}
	}
}

/* A receive takes its function from the socket as it was at the start. tcp_bpf_recvmsg() first looks without the lock. */
inline begin_receive()
{
	atomic {
		mine = psock[reader_of(d)];
		if
		:: !mine || (len(tcp_queue[d]) > 0 && (mine != psock[reader_of(d)] || len(redirected[d]) == 0)) ->
			mine = 0;
			goto plain
		:: else
		fi
	}
}

/* Reads when it has an event. A short read counts as the end of the available bytes. */
proctype edge_reader(byte d)
{
	byte number, n, mine, seen_join, seen_received, seen_copied;
	bool sealed;

end:	do
	:: atomic { edge[d] -> edge[d] = false }
		begin_receive();
		atomic {
			do
			:: mine == psock[reader_of(d)] && len(redirected[d]) > 0 -> take(redirected[d])
			:: else -> break
			od;
			mine = 0;
			goto taken_some
		}
plain:		/* it waits for the lock */
		skip;
		atomic {
			do
			:: len(tcp_queue[d]) > 0 ->
				take(tcp_queue[d]);
				copied_seq[d]++;
#ifdef TCP_HIDDEN
				if
				:: psock[reader_of(d)] -> break
				:: else
				fi
#endif
			:: else -> break
			od
		}
taken_some:
		if
		:: n -> account()
		:: else
		fi
	od
}

/* Blocks in recv. */
proctype blocking_reader(byte d)
{
	byte number, n, mine, seen_join, seen_received, seen_copied;
	bool sealed;

	do
	::	begin_receive();
end_member:	/* tcp_msg_wait_data() */
		if
		:: atomic {
			mine == psock[reader_of(d)] && len(redirected[d]) > 0 ->
			take(redirected[d]);
			mine = 0;
			goto taken_one
		   }
		:: atomic {
			(mine != psock[reader_of(d)] || len(redirected[d]) == 0) && len(tcp_queue[d]) > 0 ->
			mine = 0
		   }
		fi;
plain:
end_plain:
		atomic {
			len(tcp_queue[d]) > 0 ->
			take(tcp_queue[d]);
			copied_seq[d]++
		}
taken_one:
		account()
	od
}

inline engage(d)
{
	path[d] = TCP;
	trap_seq[d] = write_seq[d]
}

/* Takes the end's socket out of the sockhash. */
inline delete(e)
{
	d_step {
		lost = (psock[e] && len(redirected[read_by(e)]) > 0);
		psock[e] = 0
	}
	assert(!lost)
}

inline ask_kick(d)
{
	kick[d] = true;
	to_kick[d] = true
}

/* TCP bytes wait on a member */
#define hidden(d) (path[d] == TCP && len(tcp_queue[d]) > 0)

inline left(d)
{
	path[d] = TCP;
#ifndef WITHOUT_KICK
	if
	:: len(tcp_queue[d]) > 0 -> ask_kick(d)
	:: else
	fi
#endif
}

/* meshaccel_kick: SO_RCVLOWAT gives a fresh edge if there is something to read */
inline kicked(d)
{
	if
	:: kick[d] && len(tcp_queue[d]) > 0 -> edge[d] = !is_blocking(d)
	:: else
	fi;
	kick[d] = false;
	something_happened()
}

#define may_run (alive && !inside)

proctype agent()
{
	byte seen_join, seen_received, seen_copied;
	bool ok;

end:	do
	/* visit(): the wanted ends enter one by one */
	:: atomic { may_run && redirecting && state == WATCHED && joins < JOINS ->
		joins++;
		state = JOINING;
		attend()
	   }
	:: atomic { may_run && redirecting && state == JOINING && !psock[0] -> psock[0] = joins }
	:: atomic { may_run && redirecting && state == JOINING && !psock[1] -> psock[1] = joins }
	:: atomic { may_run && redirecting && state == JOINING && psock[0] && psock[1] -> inside = true };
		together {
			engage(0);
			engage(1);
			join++
		}
		atomic {
			state = JOINED;
			attend();
			inside = false
		}
	:: atomic { may_run && attention && !waiting ->
		attention = false;
		waiting = true;
#ifndef WITHOUT_KICKING_AGAIN
		/* the agent that was to give these kicks has died */
		if
		:: kick[0] || kick[1] ->
			to_kick[0] = kick[0];
			to_kick[1] = kick[1];
			attention = true
		:: else
		fi;
#endif
		if
		/* JOINING_NS may be over at any time */
		:: state == JOINING -> state = SEALED; attend()
		:: state == JOINED && !redirecting -> state = STOPPING; attend()
		:: state == JOINED && redirecting && (path[0] == MIXED || path[1] == MIXED) ->
			attention = true;
			if
			:: (path[0] == MIXED && len(redirected[0]) == 0) ||
			   (path[1] == MIXED && len(redirected[1]) == 0) -> state = STOPPING; attend()
			:: else
			fi
#ifdef TCP_HIDDEN
		/* and STUCK_SCANS counts these */
		:: state == JOINED && redirecting && (hidden(0) || hidden(1)) ->
			attention = true;
			if
			:: hidden(0) -> ask_kick(0)
			:: hidden(1) -> ask_kick(1)
			:: state = STOPPING; attend()
			fi
#endif
		/* STOPPING_NS may be over at any time, too */
		:: state == STOPPING -> state = SEALED; attend()
		:: state == SEALED ->
			attention = true;
			inside = true;
			goto sealed
		:: else
		fi
	   }
	/* user space: a kick walks over the reader's pod */
	:: atomic { may_run && to_kick[0] -> to_kick[0] = false; kicked(0) }
	:: atomic { may_run && to_kick[1] -> to_kick[1] = false; kicked(1) }
	od;
sealed:
#ifdef WITHOUT_WAITING
	ok = true;
#else
	seen_join = join;
	redirect_drained(0, ok);
	if
	:: ok -> ok = false; redirect_drained(1, ok)
	:: else
	fi;
#endif
	if
	:: ok ->
		together {
			delete(0);
			delete(1)
		}
		together {
			left(0);
			left(1);
			state = WATCHED;
#ifdef WITHOUT_KICKING_AGAIN
			attention = false
#else
			attention = (kick[0] || kick[1])
#endif
		}
	:: else
	fi;
	atomic {
		ok = false;
		seen_join = 0;
		inside = false;
		goto end
	}
}

/* meshaccel_survey: runs after a change of what is enrolled, and at the start of an agent */
inline survey()
{
	if
	:: state >= JOINING -> attend()
	:: else
	fi
}

/* Switches off and on again, or off for good. */
proctype toggle()
{
end:	atomic { may_run -> redirecting = false; survey() }
end_off:
	if
	:: atomic { may_run -> redirecting = true; survey() }
	:: true
	fi
}

proctype fate()
{
#if AGENT != LIVES
	atomic {
		!inside ->
		alive = false;
		to_kick[0] = false;
		to_kick[1] = false
	}
	if
	:: stale = true
#if AGENT == REPLACED
	:: skip
#endif
	fi;
#if AGENT == REPLACED
	atomic {
		alive = true;
		stale = false;
		something_happened();
		survey()
	}
#endif
#endif
	skip
}

/* An agent that is dead for good may leave a connection in these states: no agent kicks the reader. */
#define left_halfway (!alive && (state == SEALED || path[0] == MIXED || path[1] == MIXED || kick[0] || kick[1]))

#define run_readers(d, kind)                                                                       \
	if                                                                                         \
	:: kind == EDGE -> run edge_reader(d)                                                      \
	:: kind == BLOCKING -> run blocking_reader(d)                                              \
	:: kind == TWO ->                                                                          \
		run blocking_reader(d);                                                            \
		run blocking_reader(d)                                                             \
	:: kind == TWO_EDGE ->                                                                     \
		run edge_reader(d);                                                                \
		run edge_reader(d)                                                                 \
	fi

init
{
	atomic {
		run sender(0);
		run sender(1);
#ifdef SLOW_NETWORK
		run network(0);
		run network(1);
#endif
		run_readers(0, READERS0);
		run_readers(1, READERS1);
		run agent();
#ifndef WITHOUT_TOGGLE
		run toggle();
#endif
		run fate()
	}
	/* Nothing more can happen. */
	atomic {
		timeout ->
		stalled = (taken[0] < MESSAGES0 || taken[1] < MESSAGES1) && !left_halfway;
		assert(!stalled);
		unsettled = (alive && state != WATCHED && state != JOINED);
		assert(!unsettled)
	}
}
