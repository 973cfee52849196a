import { KubeConfig } from '#kube-config'
import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { parse } from 'yaml'

type User = KubeConfig['users'][number]

/** A user's fields that client-node does not read, or reads otherwise than kubectl. */
interface RawUser {
  readonly name?: unknown
  readonly user?: { readonly tokenFile?: unknown; readonly exec?: { readonly command?: unknown } }
}

/**
 * A kubeconfig as kubectl reads it. client-node knows no `tokenFile`, and would read a token once, although tokens of
 * ServiceAccounts change every hour; and it looks for a plugin that has a relative path in the current directory.
 */
export function loadKubeConfigFile(path: string): KubeConfig {
  const config = new KubeConfig()
  const text = textOf(path)
  config.loadFromString(text)
  config.makePathsAbsolute(dirname(path))
  const raw = usersOf(text)
  config.users = config.users.map((user) => {
    const found = raw.find(({ name }) => name === user.name)
    return found ? completed(user, found, dirname(path)) : user
  })
  return config
}

/** Without a byte order mark, as editors on Windows write it. */
function textOf(path: string): string {
  const bytes = readFileSync(path)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new Error('it is not UTF-8 text', { cause: error })
  }
}

function usersOf(text: string): readonly RawUser[] {
  const raw: { readonly users?: RawUser[] | null } | null = parse(text, { logLevel: 'error' })
  return raw?.users ?? []
}

function completed(user: User, { user: raw }: RawUser, directory: string): User {
  const at = (path: string): string => (isAbsolute(path) ? path : join(directory, path))
  const { tokenFile, exec } = raw ?? {}
  if (typeof tokenFile === 'string' && tokenFile !== '') {
    // As client-node itself has it for a ServiceAccount's: it is read again every minute.
    return {
      ...user,
      token: '',
      authProvider: { name: 'tokenFile', config: { tokenFile: at(tokenFile) } },
    }
  }
  const command = exec?.command
  // A name alone is looked for in $PATH.
  if (typeof command !== 'string' || !command.includes('/') || isAbsolute(command)) return user
  return { ...user, exec: { ...user.exec, command: at(command) } }
}
