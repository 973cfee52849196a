import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Ids of the kernel's BPF objects. */
export interface KernelObjects {
  readonly link: readonly number[]
  readonly prog: readonly number[]
  readonly map: readonly number[]
}

type Kind = keyof KernelObjects

/** The links pinned below the directory, their programs, and the maps of these. */
export function kernelObjects(pinDir: string): KernelObjects {
  const links = readdirSync(pinDir, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .flatMap((entry) => show('link', 'pinned', join(entry.parentPath, entry.name)))
  const programs = unique(links.map((link) => link.prog_id ?? 0))
  const maps = programs.flatMap((id) => show('prog', 'id', String(id))[0]?.map_ids ?? [])
  return { link: unique(links.map(({ id }) => id)), prog: programs, map: unique(maps) }
}

/** The objects that still exist. */
export function stillThere(objects: KernelObjects): string[] {
  const kinds: Kind[] = ['link', 'prog', 'map']
  return kinds.flatMap((kind) =>
    objects[kind]
      .filter((id) => show(kind, 'id', String(id)).length > 0)
      .map((id) => `${kind} ${id}`),
  )
}

interface Shown {
  readonly id: number
  readonly prog_id?: number
  readonly map_ids?: readonly number[]
}

/** The output of bpftool for an object; empty if it does not exist or has another kind. */
function show(kind: Kind, ...which: string[]): Shown[] {
  const { status, stdout } = spawnSync('bpftool', ['-j', kind, 'show', ...which], {
    encoding: 'utf8',
  })
  if (status !== 0) return []
  const shown: Shown | Shown[] = JSON.parse(stdout)
  return Array.isArray(shown) ? shown : [shown]
}

function unique(ids: readonly number[]): number[] {
  return [...new Set(ids)].toSorted((a, b) => a - b)
}
