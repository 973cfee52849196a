import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCertificates } from '../../../bench/proxies/certificates.ts'
import { CompileClient } from '../../../src/compile/client.ts'
import { type CompileServerConfig, startCompileServer } from '../../../src/compile/start.ts'
import { type Identity, readIdentity } from '../../../src/compile/tls.ts'
import type { CompileRequest, CompileResponse, Target } from '../../../src/compile/wire.ts'
import { createLog } from '../../../src/lib/log.ts'
import { type CliResult, runCommand } from '../../helpers/cli-run.ts'

/** A compile server of its own, with certificates of its own. */
export class Serving implements AsyncDisposable {
  readonly directory: string
  readonly port: number
  readonly #stop: (graceMs: number) => Promise<void>

  private constructor(directory: string, port: number, stop: (graceMs: number) => Promise<void>) {
    this.directory = directory
    this.port = port
    this.#stop = stop
  }

  static async start(config: Partial<CompileServerConfig> = {}): Promise<Serving> {
    const directory = mkdtempSync(join(tmpdir(), 'compile-server-'))
    createCertificates(directory, ['localhost', 'client'])
    const server = await startCompileServer(
      {
        address: '127.0.0.1:0',
        identity: identityIn(directory, 'localhost'),
        cache: { entries: 1_000, bytes: 64 << 20, ageMs: 3_600_000 },
        queue: 64,
        ...config,
      },
      createLog('silent'),
    )
    return new Serving(directory, server.port, (graceMs) => server.stop(graceMs))
  }

  get address(): string {
    return `localhost:${this.port}`
  }

  /** Every file of the identity of one side. */
  identity(name: 'localhost' | 'client' = 'client'): Identity {
    return identityIn(this.directory, name)
  }

  client(): CompileClient {
    return new CompileClient(this.address, this.identity())
  }

  /** Sends one source. */
  async compile(
    text: string | Uint8Array,
    { name = 'x.bpf.c', target = {} }: { name?: string; target?: Partial<Target> } = {},
  ): Promise<CompileResponse> {
    using client = this.client()
    return await client.compile(request(text, name, target), 300_000)
  }

  /** Runs `meshaccel compile`, writing into the directory. */
  command(...args: readonly string[]): Promise<CliResult> {
    const { ca, cert, key } = filesIn(this.directory, 'client')
    const identity = ['--ca', ca, '--cert', cert, '--key', key]
    const out = ['--out', join(this.directory, 'out')]
    return runCommand(['compile', '--server', this.address, ...identity, ...out, ...args])
  }

  /** Writes a file beside the certificates; returns its path. */
  write(name: string, text: string): string {
    const path = join(this.directory, name)
    writeFileSync(path, text)
    return path
  }

  async stop(graceMs = 1_000): Promise<void> {
    await this.#stop(graceMs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.directory, { recursive: true })
  }
}

export function request(
  text: string | Uint8Array,
  name: string,
  target: Partial<Target> = {},
): CompileRequest {
  return { source: { file: { name, content: Buffer.from(text) } }, target }
}

export function filesIn(
  directory: string,
  name: string,
): { ca: string; cert: string; key: string } {
  const path = (file: string): string => join(directory, 'certificates', file)
  return { ca: path('authority.crt'), cert: path(`${name}.crt`), key: path(`${name}.key`) }
}

const identityIn = (directory: string, name: string): Identity =>
  readIdentity(filesIn(directory, name))

/** A program that runs on each test run, with a map, a constant and a CO-RE access. */
export const program = `#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
struct seen { __u64 runs; __u32 kind; };
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct seen);
} seen SEC(".maps");
SEC("raw_tp/sys_enter") int count(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 zero = 0;
	struct seen *seen_now = bpf_map_lookup_elem(&seen, &zero);
	if (seen_now) {
		seen_now->runs++;
		seen_now->kind = BPF_CORE_READ(task, tgid);
	}
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
`
