import { test } from 'tap'
import type { Compiled } from '../../../src/compile/compiler.ts'
import type { Job } from '../../../src/compile/request.ts'
import { Service } from '../../../src/compile/service.ts'
import { Slots } from '../../../src/compile/slots.ts'
import type { CompileRequest, CompileResponse } from '../../../src/compile/wire.ts'
import { createLog } from '../../../src/lib/log.ts'

const answer = {
  ok: true,
  object: Buffer.from('object'),
  btf: Buffer.alloc(0),
  types: '',
  diagnostics: '',
  notes: [],
  compiler: 'clang',
}

class Serving {
  compilations = 0
  lasting = true
  result: (job: Job) => Promise<Compiled['response']> = async () => answer
  readonly lines: string[] = []
  readonly #service: Service

  constructor(queue = 8) {
    const log = createLog('info', { write: (line) => this.lines.push(line) })
    const compiler = {
      compile: async (job: Job): Promise<Compiled> => {
        this.compilations += 1
        return { response: await this.result(job), lasting: this.lasting }
      },
    }
    const bounds = { entries: 8, bytes: 1 << 20, ageMs: 1_000_000 }
    this.#service = new Service(compiler, new Slots(1, queue), bounds, 'x86_64', log)
  }

  ask(name: string, text: string, others: CompileRequest = {}): Promise<CompileResponse> {
    const file = { name, content: Buffer.from(text) }
    return this.#service.compile({ source: { file }, ...others }, { peer: 'p', name: 'n' })
  }
}

void test('the same request is compiled once', async (t) => {
  const serving = new Serving()
  t.equal((await serving.ask('x.c', 'int x;')).cached, false)
  t.equal((await serving.ask('x.c', 'int x;')).cached, true)
  t.equal(serving.compilations, 1)
  t.match(JSON.parse(serving.lines[1] ?? ''), { what: 'x.c', cached: true, client: { name: 'n' } })

  const others: Promise<CompileResponse>[] = [
    serving.ask('x.c', 'int y;'),
    serving.ask('y.c', 'int x;'),
    serving.ask('x.c', 'int x;', { target: { machine: 'aarch64' } }),
    serving.ask('x.c', 'int x;', { target: { release: '6.1' } }),
    serving.ask('x.c', 'int x;', { target: { btf: Buffer.from('b') } }),
  ]
  for (const other of await Promise.all(others)) t.equal(other.cached, false)
  t.equal(serving.compilations, 6)
})

void test('requests that come together wait for one compilation', async (t) => {
  const serving = new Serving(0)
  const answers = await Promise.all([1, 2, 3].map(() => serving.ask('x.c', 'int x;')))
  t.equal(answers.length, 3)
  t.equal(serving.compilations, 1)
})

void test('an answer that another try may change is not remembered', async (t) => {
  const serving = new Serving()
  serving.lasting = false
  await serving.ask('x.c', 'int x;')
  t.equal((await serving.ask('x.c', 'int x;')).cached, false)

  serving.result = async () => {
    throw new Error('broken')
  }
  await t.rejects(serving.ask('x.c', 'int x;'), { message: 'broken' })
  serving.result = async () => answer
  t.equal((await serving.ask('x.c', 'int x;')).ok, true)
})
