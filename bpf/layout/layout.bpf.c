// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* The types that the agent shares with the programs: `npm run generate` reads them from here. Never
 * loaded. A compiler tells nothing of types that only local variables have. */
#include "maps.bpf.h"
#include "measure.h"

struct event event;
struct flow_end flow_end;
struct flow_event flow_event;

enum reason reason;
enum event_kind event_kind;
enum conn_state conn_state;
enum flow_path flow_path;
enum role role;
enum measured_path measured_path;
enum histogram histogram;
enum group group;
