import { KubeConfig } from '#kube-config'
import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { parse } from 'yaml'

type User = KubeConfig['users'][number]

/** Fields of a user that client-node does not read, or reads differently from kubectl. */
interface RawUser {
  readonly name?: unknown
  readonly user?: { readonly tokenFile?: unknown; readonly exec?: { readonly command?: unknown } }
}

/**
 * Reads a kubeconfig as kubectl does. client-node ignores `tokenFile`. It would read a token once, but tokens of
 * ServiceAccounts change every hour. It also resolves a plugin's relative path against the current directory.
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

/** The text without the byte order mark that editors on Windows write. */
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
    // client-node does the same for a ServiceAccount's token: it reads it again every minute.
    return {
      ...user,
      token: '',
      authProvider: { name: 'tokenFile', config: { tokenFile: at(tokenFile) } },
    }
  }
  const command = exec?.command
  // A name without a slash is looked up in $PATH.
  if (typeof command !== 'string' || !command.includes('/') || isAbsolute(command)) return user
  return { ...user, exec: { ...user.exec, command: at(command) } }
}
