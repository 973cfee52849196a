/* SPDX-License-Identifier: Apache-2.0 */
/* Store buffering: other processors may see a plain store after the storing processor's later loads. Two places depend on its
 * absence. In each, two processors store one thing and then look at the other one's store.
 *
 * test/system/model/ordering.test.ts checks it exhaustively. The other models assume sequentially consistent memory. The sources
 * of the steps:
 *
 *	request		tcp_messages++ of bpf/sk_msg/verdict.bpf.c, then attend() of bpf/include/conn.bpf.h
 *	scan		tend_next() of bpf/iter/scan.bpf.c: the flag goes down, then it looks at tcp_messages
 *	announce	redirect() of bpf/sk_msg/verdict.bpf.c: add_ordered(sent), then it looks whether the connection is sealed
 *	seal		seal() of bpf/include/conn.bpf.h, then redirect_drained() of bpf/include/drained.bpf.h
 *
 * Each processor has a buffer of one store to one variable. The store reaches memory at any later time. An atomic operation that
 * returns the old value flushes it at once. Loads that overtake loads are not in this model. The source says at each pair of
 * accesses what orders it.
 *
 * Each failure has a name. `unheard`: no scan looks at a request. `lost`: a redirect is under way, and the program that has
 * sealed does not know of it.
 *
 * Scenarios: REQUESTS, each a store and a request. Mutations, each of which must show its failure. WITHOUT_EXCHANGE looks at the
 * flag by a plain load first. WITHOUT_ORDERED_ADD announces by an add that orders nothing.
 */
#ifndef REQUESTS
#define REQUESTS 3
#endif

bool unheard, lost;

/* struct direction and struct conn, in memory */
byte tcp_messages, seen_messages;
bool attention, queued;
byte sent;
bool sealed, under_way, drained;

/* Stores of the sender's processor that others do not see yet. */
byte messages_here, sent_here;

/* The store reaches memory at any time. */
proctype store_buffer()
{
end:	do
	:: atomic { tcp_messages != messages_here -> tcp_messages = messages_here }
	:: atomic { sent != sent_here -> sent = sent_here }
	od
}

inline empty_buffer()
{
	tcp_messages = messages_here;
	sent = sent_here
}

proctype request()
{
	byte n;
	bool was;

	do
	:: n == REQUESTS -> break
	:: n < REQUESTS ->
		n++;
		messages_here++;
#ifdef WITHOUT_EXCHANGE
		was = attention;
		if
		:: was -> goto next
		:: else
		fi;
#endif
		atomic { empty_buffer(); was = attention; attention = true };
		if
		:: !was -> queued = true
		:: else
		fi;
next:
		was = false
	od
}

proctype scan()
{
end:	do
	:: atomic { queued -> queued = false };
		attention = false;
		seen_messages = tcp_messages
	od
}

proctype announce()
{
	bool was_sealed;

	sent_here++;
#ifndef WITHOUT_ORDERED_ADD
	atomic { empty_buffer() };
#endif
	was_sealed = sealed;
	if
	:: was_sealed -> sent_here--
	:: else ->
		under_way = true;
		atomic { lost = drained; assert(!lost) }
	fi
}

proctype seal()
{
	sealed = true;
	drained = (sent == 0)
}

init
{
	atomic {
		run store_buffer();
		run request();
		run scan();
		run announce();
		run seal()
	}
	atomic {
		timeout ->
		unheard = (seen_messages < REQUESTS);
		assert(!unheard);
		lost = (under_way && drained);
		assert(!lost)
	}
}
