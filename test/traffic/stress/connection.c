// SPDX-License-Identifier: Apache-2.0
#include "stress.h"
#include "pattern.h"
#include <math.h>
#include <stdio.h>
#include <sys/socket.h>

#define SERVER_TAG 0x5345525645522121ULL

static uint64_t next_random(struct connection *c)
{
	c->random += 0x9e3779b97f4a7c15ULL;
	return mix(mix(c->random));
}

uint32_t pick(struct connection *c, struct range range)
{
	double share = (double)(next_random(c) >> 11) / (double)(1ULL << 53);

	if (range.max <= range.min)
		return range.min;
	if (!range.min)
		return share * range.max;
	return range.min * exp(share * log((range.max + 1.0) / range.min));
}

void connection_fail(struct connection *c, const char *what, int64_t detail)
{
	char text[200];

	if (atomic_load(&c->outcome) != OPEN)
		return;
	snprintf(text, sizeof(text), "%s: %s %lld (tag %016llx, sent %lu, received %lu)",
		 c->client ? "client" : "server", what, (long long)detail,
		 (unsigned long long)c->tag, atomic_load(&c->sent), atomic_load(&c->received));
	report_error(text);
	atomic_store(&c->outcome, FAILED);
	report_outcome();
}

static uint32_t header_check(const struct header *header)
{
	return mix(header->tag ^ header->kind ^ (uint64_t)header->request << 32 ^ header->answer);
}

static void begin_step(struct connection *c)
{
	bool enough = atomic_load(&c->sent) + atomic_load(&c->received) >= options.bytes;
	struct header *out = &c->out;

	*out = (struct header){.tag = c->tag};
	if (enough && atomic_load(&stopping)) {
		out->kind = STEP_END;
	} else if (atomic_load(&streaming)) {
		out->kind = STEP_TURN;
		out->request = 256;
	} else {
		out->kind = next_random(c) % 100 < options.duplex ? STEP_DUPLEX : STEP_TURN;
		out->request = pick(c, options.request);
		out->answer = pick(c, options.answer);
	}
	out->check = header_check(out);
	c->out_left = sizeof(*out);
	c->to_send = out->request;
	c->to_receive = out->answer;
	c->duplex = out->kind == STEP_DUPLEX;
	c->ending = out->kind == STEP_END;
}

static void client_goes_on(struct connection *c)
{
	if (!c->client || c->out_left || c->to_send || c->to_receive)
		return;
	if (!c->ending) {
		atomic_fetch_add(&c->steps, 1);
		begin_step(c);
	} else if (!c->shut) {
		shutdown(c->fd, SHUT_WR);
		c->shut = true;
	}
}

void connection_init(struct connection *c, int fd, uint64_t index)
{
	c->fd = fd;
	c->client = options.client;
	c->mode = options.mode;
	if (c->mode == MODE_MIXED)
		c->mode = index % 2 ? MODE_EDGE : MODE_BLOCKING;
	c->random = mix(options.seed + 1) ^ mix(index + 1);
	c->pipe[0] = -1;
	if (c->client) {
		c->tag = next_random(c);
		begin_step(c);
	}
}

/* Whether the connection sends now. A server answers after the request, or at once in a full-duplex
 * step, unless its send would keep it from receiving. */
bool connection_sends(const struct connection *c)
{
	bool both = c->duplex && (c->mode == MODE_LEVEL || c->mode == MODE_EDGE);

	return c->out_left || (c->to_send && (c->client || both || !c->to_receive));
}

size_t connection_fill(struct connection *c, unsigned char *buffer)
{
	uint32_t payload;

	if (!c->message_left)
		c->message_left = pick(c, options.write);
	payload = c->message_left < c->to_send ? c->message_left : c->to_send;
	if (payload + c->out_left > MESSAGE_MAX)
		payload = MESSAGE_MAX - c->out_left;
	memcpy(buffer, (unsigned char *)(&c->out + 1) - c->out_left, c->out_left);
	pattern_fill(c->client ? c->tag : c->tag ^ SERVER_TAG, atomic_load(&c->sent),
		     buffer + c->out_left, payload);
	return c->out_left + payload;
}

void connection_sent(struct connection *c, size_t length)
{
	size_t header = length < c->out_left ? length : c->out_left;
	uint32_t payload = length - header;

	c->out_left -= header;
	c->to_send -= payload;
	c->message_left -= payload < c->message_left ? payload : c->message_left;
	if (!c->to_send)
		c->message_left = 0;
	atomic_fetch_add(&c->sent, payload);
	client_goes_on(c);
}

/* How many bytes will certainly arrive before this end has to send. */
size_t connection_expects(const struct connection *c)
{
	if (c->to_receive)
		return c->to_receive;
	return c->client ? 0 : sizeof(c->in) - c->in_have;
}

static void take_header(struct connection *c)
{
	const struct header *in = &c->in;

	c->in_have = 0;
	if (in->check != header_check(in) || (c->tag && c->tag != in->tag)) {
		connection_fail(c, "wrong header, of tag", in->tag);
		return;
	}
	c->tag = in->tag;
	c->to_receive = in->request;
	c->to_send = in->answer;
	c->duplex = in->kind == STEP_DUPLEX;
	c->ending = in->kind == STEP_END;
	atomic_fetch_add(&c->steps, 1);
}

void connection_received(struct connection *c, const unsigned char *buffer, size_t length)
{
	while (length && atomic_load(&c->outcome) == OPEN) {
		size_t part = connection_expects(c);

		if (!part || (!c->to_receive && c->ending) ||
		    (!c->client && !c->to_receive && c->to_send)) {
			connection_fail(c, "bytes that nobody sent:", length);
			return;
		}
		if (part > length)
			part = length;
		if (c->to_receive) {
			uint64_t tag = c->client ? c->tag ^ SERVER_TAG : c->tag;
			uint64_t offset = atomic_load(&c->received);
			size_t right = pattern_check(tag, offset, buffer, part);

			if (right < part) {
				connection_fail(c, "wrong byte at", offset + right);
				return;
			}
			c->to_receive -= part;
			atomic_fetch_add(&c->received, part);
			client_goes_on(c);
		} else {
			memcpy((unsigned char *)&c->in + c->in_have, buffer, part);
			c->in_have += part;
			if (c->in_have == sizeof(c->in))
				take_header(c);
		}
		buffer += part;
		length -= part;
	}
}

void connection_eof(struct connection *c)
{
	if (atomic_load(&c->outcome) != OPEN)
		return;
	if (!c->ending || c->to_receive || c->to_send || c->in_have) {
		connection_fail(c, "the peer ended early, still to come:", c->to_receive);
		return;
	}
	atomic_store(&c->outcome, FINISHED);
	report_outcome();
}
