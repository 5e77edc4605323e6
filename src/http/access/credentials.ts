/**
 * The file of who may do what: one credential a line, secrets as hashes only.
 *
 *   # name    permissions       tenants        secret
 *   edge-1    write             team-a         sha256:<64 hex digits>
 *   grafana   read              team-a,team-b  scrypt:16384:8:1:<salt>:<hash>   (base64)
 *   operator  read,rules,admin  *              certificate
 *
 * `sha256` is for tokens of full entropy (`nilo new-token`), `scrypt` for what people choose
 * (`nilo hash-password`); `certificate` is a verified client certificate whose common name is the
 * name. Pure: text → credentials.
 */
import { fail } from '../../shared/errors/index.js'
import { checkTenantId } from '../tenant.js'

/** What a credential may allow. */
export const PERMISSIONS = ['write', 'read', 'rules', 'admin'] as const

/** One of PERMISSIONS. */
export type Permission = (typeof PERMISSIONS)[number]

/** How a secret is kept. */
export type SecretHash =
  | { readonly kind: 'sha256'; readonly hash: Buffer }
  | {
      readonly kind: 'scrypt'
      readonly cost: number
      readonly blockSize: number
      readonly parallelization: number
      readonly salt: Buffer
      readonly hash: Buffer
    }
  | { readonly kind: 'certificate' }

/** Who someone is, and what they may do. */
export interface Credential {
  readonly name: string
  readonly permissions: ReadonlySet<Permission>
  /** '*': every tenant. */
  readonly tenants: ReadonlySet<string> | '*'
  readonly secret: SecretHash
}

/** Lines of a file; more are refused. */
const CREDENTIALS_MAX = 10_000
/** Memory that checking a password may take: 128 × cost × block size. */
const SCRYPT_BYTES_MAX = 128 << 20

/**
 * Parses a file.
 *
 * @param where for the complaint
 * @throws AppError `config-invalid` that names the line
 */
export function parseCredentials(text: string, where: string): Credential[] {
  const credentials: Credential[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/\s#.*$/, '').trim()
    if (line === '' || line.startsWith('#')) continue
    try {
      credentials.push(parseLine(line))
    } catch (error) {
      const why = (error as Error).message
      throw fail('config-invalid', { text: `${where}: line ${index + 1}: ${why}` })
    }
    if (credentials.length > CREDENTIALS_MAX) {
      throw fail('config-invalid', { text: `${where}: more than ${CREDENTIALS_MAX} credentials` })
    }
  }
  return credentials
}

function parseLine(line: string): Credential {
  const [name, permissions, tenants, secret, ...rest] = line.split(/\s+/)
  if (secret === undefined || rest.length > 0) {
    throw new Error('expected a name, permissions, tenants and a secret')
  }
  if (name!.includes(':')) throw new Error(`name ${name}: no colons`)
  return {
    name: name!,
    permissions: new Set(permissions!.split(',').map(permissionOf)),
    tenants: tenants === '*' ? '*' : new Set(tenants!.split(',').map(checked)),
    secret: secretOf(secret),
  }
}

function permissionOf(text: string): Permission {
  const found = PERMISSIONS.find((permission) => permission === text)
  if (found === undefined) throw new Error(`unknown permission ${text}: ${PERMISSIONS.join(', ')}`)
  return found
}

function checked(tenant: string): string {
  checkTenantId(tenant)
  return tenant
}

function secretOf(text: string): SecretHash {
  if (text === 'certificate') return { kind: 'certificate' }
  const [kind, ...parts] = text.split(':')
  if (kind === 'sha256' && /^[0-9a-f]{64}$/i.test(parts[0] ?? '') && parts.length === 1) {
    return { kind, hash: Buffer.from(parts[0]!, 'hex') }
  }
  if (kind === 'scrypt' && parts.length === 5) {
    const [cost, blockSize, parallelization] = parts.slice(0, 3).map(Number) as [
      number,
      number,
      number,
    ]
    const salt = Buffer.from(parts[3]!, 'base64')
    const hash = Buffer.from(parts[4]!, 'base64')
    const isCost = Number.isInteger(Math.log2(cost)) && cost > 1
    const isSmall = 128 * cost * blockSize <= SCRYPT_BYTES_MAX && parallelization <= 4
    if (isCost && isSmall && blockSize >= 1 && parallelization >= 1 && hash.length >= 16) {
      return { kind, cost, blockSize, parallelization, salt, hash }
    }
  }
  throw new Error(
    'not a secret: sha256:<hex>, scrypt:<cost>:<block size>:<p>:<salt>:<hash>, or certificate',
  )
}
