#!/usr/bin/env -S node --max-semi-space-size=4
// With 4 MiB for what is young, in place of 16, an agent whose pods churn has some 40 MiB less in memory.

function endSignal(): AbortSignal {
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // A second signal means that the user does not want to wait for an orderly end.
      if (abort.signal.aborted) process.exit(1)
      abort.abort()
    })
  }
  return abort.signal
}

// `meshaccel flows | head` closes the pipe early.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

// Before anything is loaded that needs a newer one.
if (Number.parseInt(process.versions.node) < 20) {
  process.stderr.write(
    `meshaccel needs Node 20 or newer; this is ${process.versions.node}: https://nodejs.org/en/download\n`,
  )
  process.exit(1)
}
const { runCli } = await import('./cli/run.ts')
const code = await runCli({
  argv: process.argv.slice(2),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  uid: process.geteuid?.() ?? 0,
  endSignal,
  exitCode: 0,
})
// A command may have set process.exitCode itself.
if (code !== 0) process.exitCode = code
