import { execFileSync, spawn } from 'node:child_process'
import { t as root, test } from 'tap'
import { packageRoot } from '../../../src/lib/package.ts'
import { requireRoot } from '../../helpers/requirements.ts'

/** Creating the root alone takes a busy machine six minutes. */
const TIMEOUT_MS = 1_500_000
root.setTimeout(TIMEOUT_MS)
/** The exit code of run.sh if no root could be created. */
const CANNOT_BE_MADE = 3

/** Run without a checkout under git, there is nothing to clone. */
function isCheckout(): boolean {
  try {
    execFileSync('git', ['rev-parse', 'HEAD'], { cwd: packageRoot, stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** It takes some minutes, and half a gigabyte of packages. */
const skip =
  process.env['MESHACCEL_FRESH'] === '1' ? false : 'MESHACCEL_FRESH=1 or npm run test:fresh runs it'

void test(
  "the README's first command keeps its promise in a pristine root",
  { timeout: TIMEOUT_MS, skip },
  async (t) => {
    if (!requireRoot(t)) return
    if (!isCheckout()) {
      t.plan(0, 'there is no checkout under git here, of which the root could have a clone')
      return
    }
    // Leaves out npm's packages: they are the same, and installing them again takes as long as the rest.
    const environment = { MESHACCEL_FRESH_STEPS: 'bench', MESHACCEL_FRESH_MODULES: 'copy' }
    const child = spawn('bash', ['test/system/fresh/run.sh', 'bookworm'], {
      cwd: packageRoot,
      env: { ...process.env, NODE_OPTIONS: '', ...environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      for (const line of text.trimEnd().split('\n')) t.comment(line)
    })
    const code = await new Promise((resolve) => child.on('close', resolve))
    if (code === CANNOT_BE_MADE) {
      t.plan(0, 'no root can be made here: the packages of Debian 12 are not to be had')
      return
    }
    t.match(said, /bookworm: bench kept its promise in \d+ s/)
    t.equal(code, 0)
  },
)
