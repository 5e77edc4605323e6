/** `nilo new-token` and `nilo hash-password`: secrets for the lines of `access.file`. */
import type { Readable } from 'node:stream'
import { fail } from '../../shared/errors/index.js'
import { hashPassword, newToken } from './access.js'

/** Runs one of the two. */
export async function runSecrets(
  command: 'new-token' | 'hash-password',
  world: { readonly stdin: Readable; readonly print: (line: string) => void },
): Promise<void> {
  if (command === 'new-token') {
    const { token, secret } = newToken()
    world.print(`token   ${token}`)
    world.print(`secret  ${secret}`)
    return
  }
  let text = ''
  for await (const piece of world.stdin) text += String(piece)
  const password = text.replace(/\r?\n$/, '')
  if (password === '') throw fail('bad-data', { text: 'no password on standard input' })
  world.print(await hashPassword(password))
}
