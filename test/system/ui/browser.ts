import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'
import type { Test } from 'tap'
import { unmet } from '../../helpers/requirements.ts'

const names = ['chromium-headless-shell', 'chromium', 'google-chrome']

/** The path of a Chromium. */
export function findChromium(): string | undefined {
  const named = process.env['CHROMIUM']
  const directories = (process.env['PATH'] ?? '').split(delimiter)
  const paths = names.flatMap((name) => directories.map((directory) => join(directory, name)))
  return [...(named ? [named] : []), ...paths].find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Starts a headless Chromium. Without one the test fails, or is skipped if that is allowed. */
export async function launchBrowser(t: Test): Promise<Browser | undefined> {
  const executablePath = findChromium()
  if (executablePath === undefined) {
    unmet(
      t,
      'needs Chromium: test/system/ui/setup.sh installs it on Debian, or name one in CHROMIUM',
    )
    return undefined
  }
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
  })
  t.teardown(() => browser.close())
  return browser
}
