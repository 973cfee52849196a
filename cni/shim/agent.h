/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MESHACCEL_CNI_AGENT_H
#define MESHACCEL_CNI_AGENT_H

#include "json.h"

/*
 * Hands the call to the agent and waits until it has dealt with it, AGENT_DEADLINE_MS at most,
 * however it behaves. Returns NULL, or what went wrong.
 *
 * The message is "meshaccel-cni/1", the CNI_ variables as NAME=value and an empty string, each
 * closed by a zero byte. The configuration follows as it came, up to the end of the stream. So
 * nothing has to be quoted here, and a message that was cut short is not a valid one. Whatever
 * comes back is the answer.
 */
const char *tell_agent(const char *socket_path, struct span configuration);

#define AGENT_DEADLINE_MS 500

#endif
