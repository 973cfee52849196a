import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './retry.ts'

/** A terminal with a shell: tmux without a user. */
export class Terminal implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'meshaccel-terminal-'))
  readonly #socket = join(this.#directory, 'tmux')
  readonly #env: NodeJS.ProcessEnv

  /** Starts `shell`; `env` adds to its environment. */
  constructor(
    { columns, rows }: { columns: number; rows: number },
    shell: readonly string[] = ['bash', '--norc', '--noprofile'],
    env: Readonly<Record<string, string>> = {},
  ) {
    const size = ['-x', String(columns), '-y', String(rows)]
    this.#env = {
      PATH: process.env['PATH'],
      LANG: 'C.UTF-8',
      TERM: 'xterm-256color',
      PS1: '$ ',
      HOME: this.#directory,
      // Otherwise an ending shell writes its history while its home is removed.
      HISTFILE: '/dev/null',
      ...env,
    }
    this.#tmux('-f', '/dev/null', 'new-session', '-d', ...size, ...shell)
    // The status line would take a row.
    this.#tmux('set-option', '-g', 'status', 'off')
    this.resize(columns, rows)
  }

  /** The lines that it shows, without blanks at the end. */
  lines(): string[] {
    return this.#tmux('capture-pane', '-p').trimEnd().split('\n')
  }

  get text(): string {
    return this.lines().join('\n')
  }

  /** Types text. */
  type(text: string): void {
    this.#tmux('send-keys', '-l', '--', text)
  }

  /** Presses a key by its name: `Enter`, `Tab`, `C-c`. */
  press(key: string): void {
    this.#tmux('send-keys', key)
  }

  /** Runs a command line in the shell. */
  run(line: string): void {
    this.type(line)
    this.press('Enter')
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows))
  }

  /** Waits until the text matches. */
  async shows(what: RegExp): Promise<string> {
    try {
      return await until(`the terminal shows ${what}`, () => what.test(this.text) && this.text)
    } catch (cause) {
      throw new Error(`it shows\n${this.text}`, { cause })
    }
  }

  /** Three flags: the screen is the alternate one, the cursor is visible, long lines wrap. */
  get modes(): string {
    return this.#tmux('display', '-p', '#{alternate_on} #{cursor_flag} #{wrap_flag}').trim()
  }

  /** The process that the shell has started. */
  get child(): number {
    const shell = this.#tmux('display', '-p', '#{pane_pid}').trim()
    return Number(
      readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8').trim().split(' ')[0],
    )
  }

  [Symbol.dispose](): void {
    this.#tmux('kill-server')
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #tmux(...args: string[]): string {
    return execFileSync('tmux', ['-S', this.#socket, ...args], {
      encoding: 'utf8',
      env: this.#env,
    })
  }
}
