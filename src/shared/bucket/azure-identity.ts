/**
 * Tokens of an Azure identity, for those who give no key: by the federated token of a workload identity,
 * the secret of a service principal, or the metadata service of the machine (managed identities). Two
 * small protocols, spoken by hand; the library of Azure for it is larger than that for blobs.
 *
 * Who asks keeps a token until two minutes before its end (@azure/core-rest-pipeline does).
 */
import type { Env } from '../env/index.js'
import { type AppError, fail } from '../errors/index.js'
import { errorOfStatus, type FailedTry, unavailable } from './backend.js'
import { sendHttp } from './http-client.js'
import type { HttpOptions } from './http-options.js'

/** What the environment says, as shared/config reads it. */
export interface AzureIdentity {
  readonly tenantId: string
  readonly clientId: string
  readonly clientSecret: string
  /** File of the federated token; it is replaced from time to time. */
  readonly tokenFile: string
  /** '' for Azure's own addresses. */
  readonly authorityHost: string
  readonly metadataHost: string
}

/** A token, and when it ends, ms since the epoch. */
export interface AzureToken {
  readonly token: string
  readonly expiresOnTimestamp: number
}

/** What tokens are asked with. */
export interface IdentityParts {
  /** `azure.user_assigned_id`: the client id of one of a machine's identities; '' for its own. */
  readonly userAssignedId: string
  readonly identity: AzureIdentity
  readonly http: HttpOptions
  readonly env: Pick<Env, 'disk' | 'clock'>
}

const RESOURCE = 'https://storage.azure.com'
const AUTHORITY = 'https://login.microsoftonline.com'
const METADATA = 'http://169.254.169.254'
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
/** Longest answer that is read. */
const ANSWER_BYTES_MAX = 64 << 10

/** Tokens, in the shape that Azure's clients take. */
export class AzureIdentityTokens {
  private readonly parts: IdentityParts

  constructor(parts: IdentityParts) {
    this.parts = parts
  }

  /** @throws AppError `bucket-refused`, `bucket-unavailable` */
  async getToken(
    _scopes: unknown,
    options: { readonly abortSignal?: unknown } = {},
  ): Promise<AzureToken> {
    const { userAssignedId, identity } = this.parts
    const signal = (options.abortSignal as AbortSignal | undefined) ?? new AbortController().signal
    const { tenantId, clientId, clientSecret, tokenFile } = identity
    const isNamed = userAssignedId === '' && tenantId !== '' && clientId !== ''
    if (isNamed && (tokenFile !== '' || clientSecret !== '')) return await this.logIn(signal)
    return await this.askMachine(signal)
  }

  /** The log-in service: an assertion, or a secret, for a token. */
  private async logIn(signal: AbortSignal): Promise<AzureToken> {
    const { identity, env } = this.parts
    const { tenantId, clientId, clientSecret, tokenFile, authorityHost } = identity
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      scope: `${RESOURCE}/.default`,
    })
    if (tokenFile !== '') {
      form.set('client_assertion_type', ASSERTION)
      form.set('client_assertion', Buffer.from(env.disk.readFile(tokenFile)).toString().trim())
    } else form.set('client_secret', clientSecret)
    const host = (authorityHost || AUTHORITY).replace(/\/+$/, '')
    return await this.ask({
      method: 'POST',
      url: `${host}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.from(form.toString()),
      signal,
    })
  }

  private async askMachine(signal: AbortSignal): Promise<AzureToken> {
    const { userAssignedId, identity } = this.parts
    const query = new URLSearchParams({ 'api-version': '2018-02-01', resource: RESOURCE })
    const id = userAssignedId || identity.clientId
    if (id !== '') query.set('client_id', id)
    const host = (identity.metadataHost || METADATA).replace(/\/+$/, '')
    const url = `${host}/metadata/identity/oauth2/token?${query}`
    return await this.ask({ method: 'GET', url, headers: { metadata: 'true' }, signal })
  }

  private async ask(request: Parameters<typeof sendHttp>[1]): Promise<AzureToken> {
    const tried = { bucket: 'azure', operation: 'log in', key: new URL(request.url).host }
    let status: number
    let text = ''
    try {
      const answer = await sendHttp(this.parts.http, request)
      status = answer.status
      for await (const part of answer.body) {
        if (text.length < ANSWER_BYTES_MAX) text += (part as Buffer).toString('utf8')
      }
    } catch (error) {
      throw unavailable(tried, `no token: ${(error as Error).message}`, error)
    }
    if (status !== 200) throw refusedBy(tried, status, text)
    const token = tokenOf(text, this.parts.env.clock.now())
    if (token === undefined) throw unavailable(tried, 'the answer has no token')
    return token
  }
}

/** The metadata service says 404, 410 and 429 while it starts or is busy. */
function refusedBy(tried: FailedTry, status: number, text: string): AppError {
  const told = `no token: ${status} ${text.slice(0, 500).trim()}`
  if (status === 404 || status === 410 || status === 429) return unavailable(tried, told)
  if (status < 500) return fail('bucket-refused', { ...tried, text: told })
  return errorOfStatus(tried, status, told)
}

/** Numbers come as such or as texts; `expires_on` is of the metadata service alone, in seconds. */
function tokenOf(text: string, now: number): AzureToken | undefined {
  let answer: { access_token?: unknown; expires_on?: unknown; expires_in?: unknown }
  try {
    answer = JSON.parse(text)
  } catch {
    return undefined
  }
  const on = Number(answer.expires_on ?? Number.NaN) * 1000
  const inMs = Number(answer.expires_in ?? Number.NaN) * 1000
  const expiresOnTimestamp = Number.isFinite(on) ? on : now + inMs
  if (typeof answer.access_token !== 'string' || !Number.isFinite(expiresOnTimestamp)) return
  return { token: answer.access_token, expiresOnTimestamp }
}
