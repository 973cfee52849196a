// lint-prose.mjs: holds what people read to plain English. The rules are below; the page for authors is CONTRIBUTING.md.
//
//   node scripts/lint-prose.mjs [--code] [FILE...]
//
// Without files it reads every hand-written page. With --code it reads the comments of TypeScript and C instead. It prints
// FILE:LINE, the rule and the sentence, and exits 1 if one breaks a rule.
import { readFileSync, readdirSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'

const root = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..')

/** Aim at 20 words. The bound leaves room for a sentence that lists things. */
const maxWords = 30

/** Their words are written elsewhere: by `npm run reasons`, by `npm run semantics`, and entry by entry. */
const notPages = ['CHANGELOG.md', 'docs/REASONS.md', 'docs/SEMANTICS.md']

const notOurs = new Set(['node_modules', 'build', 'dist', 'fixtures'])

/** Words and turns that cost a second reading, and what to write instead. */
const turns = [
  [/\bsees? to it\b/i, 'write "ensures"'],
  [/\bbut for\b/i, 'write "apart from"'],
  [/\ball but\b/i, 'write "almost" or "all apart from"'],
  [/\ball the same\b/i, 'write "anyway" or "still"'],
  [/\bin vain\b/i, 'say what did not happen'],
  [/\b(?:does|do|did) so, too\b/i, 'repeat the verb'],
  [/\bnobody is there\b/i, 'say who is missing'],
  [/\bcannot be meant\b/i, 'write "is invalid"'],
  [/\bfends? for (?:it|them)sel/i, 'say what it does'],
  [/\bmend(?:s|ed|ing)?\b/i, 'write "fix"'],
  [/\banew\b/i, 'write "again"'],
  [/\bcommonest\b/i, 'write "most common"'],
  [/\bwhosoever\b|\bwhoever\b/i, 'write "anyone who", or name them'],
  [/\bthe one before\b|\bthe same holds\b/i, 'repeat the noun'],
  [/\bsave (?:for|that)\b/i, 'write "except"'],
  [
    /\bnor (?:is|are|was|do|does|did|has|have|can|will)\b/i,
    'begin a new sentence with its subject',
  ],
  [/\bonly then (?:is|are|do|does|can|will)\b/i, 'put the subject before the verb'],
  [/\b(?:he|she|him|himself|herself|his|her)\b/i, 'name the process, the reader or the user'],
]

const isQuestion = (sentence) => sentence.endsWith('?')

const rules = [
  {
    name: 'long',
    says: (sentence) => {
      const words = wordsOf(sentence)
      return words > maxWords ? `${words} words; the bound is ${maxWords}` : undefined
    },
  },
  {
    name: 'start',
    says: (sentence) => {
      const start = /^(?:Of|What|Who|Whoever|Whose|One that|Those that|Those who)\b/.exec(sentence)
      return start && !isQuestion(sentence)
        ? `begins with "${start[0]}"; begin with the subject`
        : undefined
    },
  },
  {
    name: 'turn',
    says: (sentence) => {
      for (const [pattern, instead] of turns) {
        const found = pattern.exec(sentence)
        if (found) return `"${found[0]}": ${instead}`
      }
      return undefined
    },
  },
]

function wordsOf(sentence) {
  return sentence.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length
}

/** A paragraph, list item or comment: its lines, and the number of the first. */
function addBlock(blocks, first, lines) {
  if (lines.some((line) => line.trim() !== '')) blocks.push({ first, lines })
}

/** What has no sentences becomes blank; the number of lines stays. */
function blank(text, pattern) {
  return text.replace(pattern, (match) => match.replace(/[^\n]/g, ' '))
}

function markdownBlocks(text) {
  let rest = blank(text, /^( *)(`{3,}|~{3,})[^\n]*\n[\s\S]*?^ *\2/gm)
  rest = blank(rest, /<!--[\s\S]*?-->/g)
  const blocks = []
  let first = 1
  let lines = []
  const flush = (next) => {
    addBlock(blocks, first, lines)
    first = next
    lines = []
  }
  rest.split('\n').forEach((line, index) => {
    const number = index + 1
    const isApart = /^\s*(?:\||#)/.test(line) || (/^ {4}/.test(line) && lines.length === 0)
    if (line.trim() === '' || isApart) return flush(number + 1)
    if (/^\s*(?:[-*+]|\d+\.)\s/.test(line)) flush(number)
    else if (lines.length === 0) first = number
    lines.push(line.replace(/^\s*(?:[-*+]|\d+\.|>)\s+/, ''))
  })
  flush(0)
  return blocks
}

function commentBlocks(text) {
  const blocks = []
  const lines = text.split('\n')
  let first = 0
  let open = []
  let isInside = false
  const flush = () => {
    addBlock(blocks, first, open)
    open = []
  }
  lines.forEach((line, index) => {
    const starts = !isInside && /^\s*\/\*/.test(line)
    const single = !isInside && /(?:^|\s)\/\/\s(.*)$/.exec(line)
    if (starts || isInside) {
      isInside = !line.includes('*/')
      const words = line.replace(/^\s*(?:\/\*+|\*(?!\/))/, '').replace(/\*\/.*/, '')
      // Tables, drawings and examples are indented by more than a space or by a tab.
      const isProse = words.trim() !== '' && !/^(?: {2,}|\s*\t)/.test(words) && !/^\s*@/.test(words)
      if (!isProse) flush()
      else {
        if (/^\s*-\s/.test(words)) flush()
        if (open.length === 0) first = index + 1
        open.push(words.trim().replace(/^-\s+/, ''))
      }
      if (!isInside) flush()
    } else if (single) {
      if (/^\s*-\s/.test(single[1])) flush()
      if (open.length === 0) first = index + 1
      open.push(single[1].trim().replace(/^-\s+/, ''))
    } else flush()
  })
  flush()
  return blocks
}

/** Code and addresses count as one word each and are not searched. */
function plain(text) {
  return text
    .replace(/(`+)[\s\S]*?\1/g, (match) => `CODE${'\n'.repeat(match.split('\n').length - 1)}`)
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/https?:\/\/\S+[^\s.,;:)]/g, 'URL')
    .replace(/\*\*|(?<=\s|^)_|_(?=[\s.,;:)]|$)/g, '')
}

const abbreviation = /(?:\b(?:e\.g|i\.e|cf|vs|etc|approx|No)|\b[A-Z])\.$/

function sentencesOf({ first, lines }) {
  const text = plain(lines.join('\n'))
  const sentences = []
  let start = 0
  const add = (end) => {
    const raw = text.slice(start, end)
    const lead = raw.length - raw.trimStart().length
    const sentence = raw.trim().replace(/\s+/g, ' ')
    const line = first + text.slice(0, start + lead).split('\n').length - 1
    if (sentence) sentences.push({ line, sentence })
    start = end
  }
  for (const end of text.matchAll(/[.?!]["')\]]*(?=\s+["'([]?[\p{Lu}\p{N}]|\s*$)/gu)) {
    if (abbreviation.test(text.slice(start, end.index + 1))) continue
    add(end.index + end[0].length)
  }
  add(text.length)
  return sentences
}

function breachesOf(file, text) {
  const blocks = file.endsWith('.md') ? markdownBlocks(text) : commentBlocks(text)
  return blocks.flatMap(sentencesOf).flatMap(({ line, sentence }) =>
    rules.flatMap(({ name, says }) => {
      const breach = says(sentence)
      return breach ? [`${file}:${line}: ${sentence}\n    ${name}: ${breach}`] : []
    }),
  )
}

function filesBelow(directory, endings) {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) {
      return notOurs.has(entry.name) || entry.name.startsWith('.') ? [] : filesBelow(path, endings)
    }
    return endings.some((ending) => entry.name.endsWith(ending)) ? [path] : []
  })
}

const isCode = process.argv.includes('--code')
const named = process.argv.slice(2).filter((argument) => argument !== '--code')
const files =
  named.length > 0
    ? named.map((file) => relative(root, resolve(file)))
    : filesBelow('.', isCode ? ['.ts', '.c', '.h'] : ['.md']).filter(
        (file) => !notPages.includes(file),
      )
const isGenerated = (text) => /^(?:\/\/|<!--) Generated /m.test(text.slice(0, 200))
const breaches = files.flatMap((file) => {
  const text = readFileSync(join(root, file), 'utf8')
  return isGenerated(text) ? [] : breachesOf(file, text)
})
for (const breach of breaches) console.log(breach)
console.error(`${files.length} files, ${breaches.length} breaches of the rules for prose`)
if (breaches.length > 0) process.exitCode = 1
