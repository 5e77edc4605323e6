/**
 * Who a request is from and what they may do: bearer tokens, basic auth and client certificates
 * against the credentials file, which is read again when it has changed. Off without a file.
 *
 * Secrets are compared in constant time. What was checked once is remembered by a digest under a
 * key of this process, so that a push costs one digest, not one scrypt.
 */
import { createHash, createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { Disk, Env } from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'
import type { RequestHead } from '../handler.js'
import {
  type Credential,
  type Permission,
  parseCredentials,
  type SecretHash,
} from './credentials.js'

/** Credentials remembered as checked. */
const CHECKED_MAX = 4_096
/** Passwords that are being checked at once; more are refused, so that guessing cannot take the CPU. */
const CHECKING_MAX = 8
/** Bytes of an Authorization header that are looked at. */
const HEADER_BYTES_MAX = 8_192

/**
 * What an access file says.
 *
 * @throws AppError `disk-failed`, or `config-invalid` when a line of it is wrong
 */
export function readCredentials(disk: Pick<Disk, 'readFile'>, file: string): Credential[] {
  return parseCredentials(Buffer.from(disk.readFile(file)).toString('utf8'), file)
}

/** Knows credentials. */
export class AccessControl {
  private readonly env: Env
  private readonly file: string
  private readonly reloadMs: number
  private readonly key = randomBytes(32)
  private readonly checked = new Map<string, Credential>()
  private credentials: readonly Credential[]
  private mtime: number
  private checking = 0

  /**
   * Reads the file.
   *
   * @throws AppError `config-invalid` when it cannot be read, or a line of it is wrong
   */
  constructor(env: Env, options: { readonly file: string; readonly reloadMs: number }) {
    this.env = env
    this.file = options.file
    this.reloadMs = options.reloadMs
    const facts = env.disk.findFacts(this.file)
    if (facts === undefined) throw fail('config-invalid', { text: `${this.file}: not there` })
    this.mtime = facts.mtime
    this.credentials = this.read()
    this.show(true)
  }

  /** Looks at the file every now and then, for ever. */
  watch(): void {
    this.env.timers.after(this.reloadMs, () => {
      this.reload()
      this.watch()
    })
  }

  /** Reads the file again when it has changed; a broken one leaves the last good one in force. */
  reload(): void {
    const mtime = this.env.disk.findFacts(this.file)?.mtime ?? 0
    if (mtime === this.mtime) return
    this.mtime = mtime
    try {
      this.credentials = this.read()
      this.checked.clear()
      this.show(true)
      this.env.log.info('credentials read again', { file: this.file })
    } catch (error) {
      this.show(false)
      const err = (error as Error).message
      this.env.log.error('credentials not read; the last good ones stay in force', { err })
    }
  }

  /**
   * Who a request is from.
   *
   * @throws AppError `unauthorized` when nobody who is known, `overloaded`
   */
  async identify(incoming: RequestHead): Promise<Credential> {
    const header = incoming.headers.authorization
    if (header === undefined) return this.byCertificate(incoming)
    if (header.length > HEADER_BYTES_MAX) throw this.unauthorized('header')
    const digest = createHmac('sha256', this.key).update(header).digest('base64')
    const known = this.checked.get(digest)
    if (known !== undefined) return known
    const found = await this.check(header)
    if (found === undefined) throw this.unauthorized('secret')
    if (this.checked.size >= CHECKED_MAX) this.checked.clear()
    // The file may have been read again while a password was being checked.
    if (this.credentials.includes(found)) this.checked.set(digest, found)
    return found
  }

  private byCertificate(incoming: RequestHead): Credential {
    const socket = incoming.socket as Partial<TLSSocket>
    if (socket.authorized === true) {
      const name = socket.getPeerCertificate?.().subject?.CN
      const found = this.credentials.find(
        (one) => one.secret.kind === 'certificate' && one.name === name,
      )
      if (found !== undefined) return found
    }
    throw this.unauthorized('missing')
  }

  private async check(header: string): Promise<Credential | undefined> {
    const [scheme, value = ''] = header.split(/\s+/, 2)
    if (scheme?.toLowerCase() === 'bearer') return this.byToken(value)
    if (scheme?.toLowerCase() !== 'basic') return undefined
    const decoded = Buffer.from(value, 'base64').toString('utf8')
    const colon = decoded.indexOf(':')
    if (colon < 0) return undefined
    return await this.byPassword(decoded.slice(0, colon), decoded.slice(colon + 1))
  }

  private byToken(token: string): Credential | undefined {
    const hash = createHash('sha256').update(token).digest()
    let found: Credential | undefined
    // All of them, always: how long it takes says nothing.
    for (const one of this.credentials) {
      if (one.secret.kind === 'sha256' && timingSafeEqual(hash, one.secret.hash)) found = one
    }
    return found
  }

  private async byPassword(name: string, password: string): Promise<Credential | undefined> {
    const named = this.credentials.filter((one) => one.name === name)
    // For a name that nobody has the work is done all the same.
    if (named.length === 0) await this.matches(NOBODY, password)
    for (const one of named) if (await this.matches(one.secret, password)) return one
    return undefined
  }

  private async matches(secret: SecretHash, password: string): Promise<boolean> {
    if (secret.kind === 'certificate') return false
    if (secret.kind === 'sha256') {
      return timingSafeEqual(createHash('sha256').update(password).digest(), secret.hash)
    }
    if (this.checking >= CHECKING_MAX) {
      throw fail('overloaded', { text: 'too many passwords are being checked' })
    }
    this.checking++
    try {
      return timingSafeEqual(await derive(secret, password), secret.hash)
    } finally {
      this.checking--
    }
  }

  private read(): readonly Credential[] {
    return readCredentials(this.env.disk, this.file)
  }

  private unauthorized(reason: string): Error {
    this.env.metrics.cell('nilo_http_unauthorized_total', reason).add(1)
    return fail('unauthorized')
  }

  private show(isGood: boolean): void {
    this.env.metrics.cell('nilo_http_credentials_last_reload_successful').set(isGood ? 1 : 0)
  }
}

type Scrypt = Extract<SecretHash, { kind: 'scrypt' }>

const NOBODY: Scrypt = {
  kind: 'scrypt',
  cost: 16_384,
  blockSize: 8,
  parallelization: 1,
  salt: randomBytes(16),
  hash: randomBytes(32),
}

function derive(secret: Scrypt, password: string): Promise<Buffer> {
  const { cost, blockSize, parallelization, salt, hash } = secret
  const options = { cost, blockSize, parallelization, maxmem: 256 << 20 }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, hash.length, options, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}

/** The secret of a password as the file wants it. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const hash = await derive({ ...NOBODY, salt, hash: Buffer.alloc(32) }, password)
  const { cost, blockSize, parallelization } = NOBODY
  const parts = [cost, blockSize, parallelization, salt.toString('base64'), hash.toString('base64')]
  return `scrypt:${parts.join(':')}`
}

/** A new token, and its secret as the file wants it. */
export function newToken(): { readonly token: string; readonly secret: string } {
  const token = randomBytes(32).toString('base64url')
  return { token, secret: `sha256:${createHash('sha256').update(token).digest('hex')}` }
}

/**
 * Checks that someone may do a thing, for the tenants that they ask for.
 *
 * @param tenants as in X-Scope-OrgID, several with `|` between; '' where the endpoint has none
 * @throws AppError `forbidden`
 */
export function checkAllowed(who: Credential, permission: Permission, tenants: string): void {
  if (!who.permissions.has(permission)) {
    throw fail('forbidden', { text: `${who.name} lacks the permission ${permission}` })
  }
  if (tenants === '' || who.tenants === '*') return
  for (const tenant of tenants.split('|')) {
    if (who.tenants.has(tenant)) continue
    throw fail('forbidden', { text: `${who.name} has no access to tenant ${tenant}` })
  }
}
