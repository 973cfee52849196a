/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TASK_H
#define TASK_H

struct task;

/* The task that runs, or NULL for the case itself. */
struct task *current_task(void);
void task_keep(struct task *task, const char *text);
/* Prints the reports that the tasks have kept so far. */
void tasks_flush(void);

#endif
