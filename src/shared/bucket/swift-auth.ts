/**
 * How one logs in to OpenStack: Swift's own v1 (tempauth), Keystone v2 and v3, passwords or
 * application credentials. The result is a token and where the account's objects are.
 */
import type { AppError } from '../errors/index.js'
import { collect, errorOfStatus, type FailedTry, refused } from './backend.js'
import { announcedSize, drained, type HttpAnswer, sendHttp } from './http-client.js'
import type { BlockReader, HttpOptions } from './http-options.js'

/** A log-in that succeeded. */
export interface SwiftSession {
  readonly token: string
  /** `https://HOST/v1/AUTH_account`, without a slash at its end. */
  readonly storageUrl: string
}

/** Mimir's keys of the block `swift` that are about logging in. */
export interface SwiftLogin {
  readonly version: 1 | 2 | 3
  readonly authUrl: string
  readonly fields: Readonly<Record<(typeof FIELDS)[number], string>>
}

const FIELDS = [
  'application_credential_id',
  'application_credential_name',
  'application_credential_secret',
  'username',
  'user_domain_name',
  'user_domain_id',
  'user_id',
  'password',
  'domain_id',
  'domain_name',
  'project_id',
  'project_name',
  'project_domain_id',
  'project_domain_name',
  'region_name',
] as const

/** Reads the keys; the version, when it is not given, follows from the address. */
export function readLogin(reader: BlockReader): SwiftLogin {
  const authUrl = reader.text('auth_url').replace(/\/+$/, '')
  const named = reader.number('auth_version', 0) || Number(/\/v([123])\b/.exec(authUrl)?.[1] ?? 3)
  const version = named === 1 || named === 2 ? named : 3
  const fields = Object.fromEntries(FIELDS.map((name) => [name, reader.text(name)]))
  return { version, authUrl, fields: fields as SwiftLogin['fields'] }
}

/** Logs in. */
export async function logIn(
  login: SwiftLogin,
  http: HttpOptions,
  tried: FailedTry,
  signal: AbortSignal,
): Promise<SwiftSession> {
  const session = await ask(login, http, tried, signal)
  if (session.token === '' || session.storageUrl === '') {
    throw refused(tried, 'the log-in gave no token, or no address of objects')
  }
  return { ...session, storageUrl: session.storageUrl.replace(/\/+$/, '') }
}

async function ask(
  { version, authUrl, fields }: SwiftLogin,
  http: HttpOptions,
  tried: FailedTry,
  signal: AbortSignal,
): Promise<SwiftSession> {
  if (version === 1) {
    const headers = { 'x-auth-user': fields.username, 'x-auth-key': fields.password }
    const answer = await sendHttp(http, { method: 'GET', url: authUrl, headers, signal })
    await check(tried, answer)
    await drained(answer)
    return {
      token: header(answer, 'x-auth-token'),
      storageUrl: header(answer, 'x-storage-url'),
    }
  }
  const body = Buffer.from(JSON.stringify(version === 2 ? bodyV2(fields) : bodyV3(fields)))
  const url = `${authUrl}/${version === 2 ? 'tokens' : 'auth/tokens'}`
  const headers = { 'content-type': 'application/json' }
  const answer = await sendHttp(http, { method: 'POST', url, headers, body, signal })
  await check(tried, answer)
  const bytes = await collect(tried, answer.body, announcedSize(answer))
  const found = JSON.parse(Buffer.from(bytes).toString()) as KeystoneAnswer
  const region = fields.region_name
  if (version === 2) {
    const service = found.access?.serviceCatalog?.find(({ type }) => type === 'object-store')
    const place = service?.endpoints.find((one) => region === '' || one.region === region)
    return { token: found.access?.token?.id ?? '', storageUrl: place?.publicURL ?? '' }
  }
  const service = found.token?.catalog?.find(({ type }) => type === 'object-store')
  const place = service?.endpoints.find(
    (one) => one.interface === 'public' && (region === '' || one.region === region),
  )
  return { token: header(answer, 'x-subject-token'), storageUrl: place?.url ?? '' }
}

interface KeystoneAnswer {
  readonly access?: {
    readonly token?: { readonly id: string }
    readonly serviceCatalog?: readonly {
      readonly type: string
      readonly endpoints: readonly { readonly region?: string; readonly publicURL: string }[]
    }[]
  }
  readonly token?: {
    readonly catalog?: readonly {
      readonly type: string
      readonly endpoints: readonly {
        readonly interface: string
        readonly region?: string
        readonly url: string
      }[]
    }[]
  }
}

function bodyV2(fields: SwiftLogin['fields']): unknown {
  const { username, password, project_id, project_name } = fields
  const tenant = project_id === '' ? { tenantName: project_name } : { tenantId: project_id }
  return { auth: { passwordCredentials: { username, password }, ...tenant } }
}

function bodyV3(fields: SwiftLogin['fields']): unknown {
  const user = {
    ...(fields.user_id === '' ? { name: fields.username } : { id: fields.user_id }),
    ...(fields.user_id === ''
      ? domainOf(
          fields.user_domain_id || fields.domain_id,
          fields.user_domain_name || fields.domain_name,
        )
      : {}),
  }
  const secret = fields.application_credential_secret
  if (secret !== '') {
    const id = fields.application_credential_id
    const which = id === '' ? { name: fields.application_credential_name, user } : { id }
    const application_credential = { ...which, secret }
    return { auth: { identity: { methods: ['application_credential'], application_credential } } }
  }
  const password = { user: { ...user, password: fields.password } }
  const identity = { methods: ['password'], password }
  const project =
    fields.project_id === ''
      ? {
          name: fields.project_name,
          ...domainOf(
            fields.project_domain_id || fields.domain_id,
            fields.project_domain_name || fields.domain_name,
          ),
        }
      : { id: fields.project_id }
  return { auth: { identity, scope: { project } } }
}

function domainOf(id: string, name: string): { domain: { id: string } | { name: string } } {
  if (id !== '') return { domain: { id } }
  return { domain: name === '' ? { id: 'default' } : { name } }
}

async function check(tried: FailedTry, answer: HttpAnswer): Promise<void> {
  if (answer.status < 300) return
  const text = await drained(answer)
  const error: AppError = errorOfStatus(tried, answer.status, text)
  // A log-in that is not found is a wrong address, not a missing object.
  throw error.id === 'bucket-not-found' ? refused(tried, `log-in: status 404: ${text}`) : error
}

function header(answer: HttpAnswer, name: string): string {
  const value = answer.headers[name]
  return typeof value === 'string' ? value : ''
}
