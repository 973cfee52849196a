import { runCommand, type CliResult } from '../../helpers/cli-run.ts'
import { RunningAgent, type PodEntry } from '../../helpers/running-agent.ts'

/** An agent with a fake data path, and `meshaccel ui` on it, both in this process. */
export class ServedPage {
  readonly agent: RunningAgent
  /** The URL as `meshaccel ui` prints it. */
  url = ''
  readonly #abort = new AbortController()
  #result: Promise<CliResult> | undefined

  private constructor(pods: readonly PodEntry[]) {
    this.agent = new RunningAgent(pods)
  }

  static async open(
    pods: readonly PodEntry[],
    prepare: (agent: RunningAgent) => void = () => undefined,
    ...flags: readonly string[]
  ): Promise<ServedPage> {
    const page = new ServedPage(pods)
    prepare(page.agent)
    await page.agent.start(...flags)
    page.url = await new Promise((resolve, reject) => {
      page.#result = runCommand(['ui', '--socket', page.agent.socket], {
        signal: page.#abort.signal,
        onStdout: (text) => resolve(text.trim()),
      })
      page.#result.then(({ stderr }) => reject(new Error(stderr)), reject)
    })
    return page
  }

  /** Acts like Ctrl-C. */
  async end(): Promise<CliResult | undefined> {
    this.#abort.abort()
    return this.#result
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
    await this.agent[Symbol.asyncDispose]()
  }
}
