import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { cli } from '../../helpers/agent-process.ts'
import { runCommand } from '../../helpers/cli-run.ts'
import { until } from '../../helpers/retry.ts'
import { RunningAgent } from '../../helpers/running-agent.ts'
import { Terminal } from '../../helpers/terminal.ts'

const pod = { namespace: 'shop', netns: '/run/netns/7', mesh: 'istio', enabled: true }

async function serving(): Promise<RunningAgent> {
  const agent = new RunningAgent([
    { ...pod, name: 'cart-0' },
    { ...pod, name: 'stock-0', netns: '/run/netns/8' },
  ])
  await agent.start()
  return agent
}

/** The completions of the words, without a shell. */
async function completions(...words: string[]): Promise<string[]> {
  const { code, stdout } = await runCommand(['--get-yargs-completions', 'meshaccel', ...words])
  if (code !== 0) throw new Error('completion failed')
  return stdout.split('\n').filter((line) => line !== '')
}

void test('completes commands, options, what these take, and pods', async (t) => {
  await using agent = await serving()
  const commands = await completions('')
  for (const name of ['status', 'top', 'explain', 'completion', 'readers'])
    t.ok(commands.includes(name))
  const options = await completions('flows', '--')
  for (const name of ['--pod', '--reason', '--watch', '--output'])
    t.ok(options.includes(name), name)
  t.strictSame(await completions('flows', '--path', ''), ['redirect', 'tcp', 'mixed'])
  t.ok((await completions('readers', '')).includes('forgive'))

  const here = ['--socket', agent.socket]
  const both = ['shop/cart-0', 'shop/stock-0']
  t.strictSame(await completions('explain', ...here, ''), both)
  t.strictSame(await completions('explain', ...here, 'shop/c'), ['shop/cart-0'])
  t.strictSame(await completions('flows', ...here, '--pod', ''), both)
  t.strictSame(await completions('readers', 'forgive', ...here, 'shop/s'), ['shop/stock-0'])
  t.ok((await completions('explain', ...here, '--')).includes('--output'))
  t.strictSame(
    await completions('explain', '--socket', '/nonexistent', ''),
    [],
    'no agent, no noise',
  )
})

/** Presses Tab until the text matches. A completion that takes too long completes nothing. */
async function completes(terminal: Terminal, what: RegExp): Promise<void> {
  let looks = 0
  await until(`the terminal shows ${what}: ${terminal.text}`, () => {
    if (looks++ % 100 === 0) terminal.press('Tab')
    return what.test(terminal.text)
  })
}

for (const [shell, argv] of [
  ['bash', ['bash', '--norc', '--noprofile']],
  ['zsh', ['zsh', '-f', '-i']],
] as const) {
  void test(`${shell} completes with the script`, async (t) => {
    await using agent = await serving()
    const bin = join(agent.directory, 'bin')
    mkdirSync(bin)
    const program = `#!/bin/sh\nexec ${process.execPath} ${cli} "$@"\n`
    writeFileSync(join(bin, 'meshaccel'), program, { mode: 0o755 })
    const path = `${bin}:${process.env['PATH']}`
    using terminal = new Terminal({ columns: 100, rows: 24 }, argv, { PATH: path })
    if (shell === 'zsh') terminal.run('PS1="$ "; autoload -U compinit && compinit -u')
    terminal.run(`source <(SHELL=${shell} meshaccel completion) && echo loaded`)
    await terminal.shows(/^loaded$/m)
    terminal.type('meshaccel expl')
    await completes(terminal, /^\$ meshaccel explain $|^\$ meshaccel explain$/m)
    terminal.type(`--socket ${agent.socket} shop/c`)
    await completes(terminal, /shop\/cart-0/)
    terminal.press('C-c')
    terminal.type('meshaccel flows --lim')
    await completes(terminal, /meshaccel flows --limit/)
    t.pass(shell)
  })
}
