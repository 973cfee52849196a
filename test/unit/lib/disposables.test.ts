import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'tap'
import { AsyncDisposables, Disposables } from '../../../src/lib/disposables.ts'

void test('undoes in reverse, and once', async (t) => {
  const undone: string[] = []
  const resource = { [Symbol.dispose]: () => void undone.push('resource') }
  const stack = new Disposables()
  t.equal(stack.use(resource), resource)
  stack.defer(() => undone.push('step'))
  stack[Symbol.dispose]()
  stack[Symbol.dispose]()
  t.strictSame(undone, ['step', 'resource'])
})

void test('a step that throws does not keep the steps before it from the next call', async (t) => {
  const undone: string[] = []
  const stack = new Disposables()
  stack.defer(() => undone.push('first'))
  stack.defer(() => {
    throw new Error('busy')
  })
  t.throws(() => stack[Symbol.dispose](), /busy/)
  t.strictSame(undone, [])
  stack[Symbol.dispose]()
  t.strictSame(undone, ['first'])
})

void test('waits for each step before it begins the next one', async (t) => {
  const undone: string[] = []
  const stack = new AsyncDisposables()
  stack.defer(() => undone.push('first'))
  stack.use({ [Symbol.dispose]: () => void undone.push('resource') })
  stack.defer(async () => {
    undone.push('begin')
    await turn()
    undone.push('end')
  })
  await stack[Symbol.asyncDispose]()
  await stack[Symbol.asyncDispose]()
  t.strictSame(undone, ['begin', 'end', 'resource', 'first'])
})
