/**
 * TLS of the listener: certificate, key and client certificates from files or the configuration;
 * files that change are read again, open connections keep what they began with.
 */
import type { Server, ServerOptions } from 'node:https'
import {
  createSecureContext,
  type SecureContextOptions,
  type SecureVersion,
  type TLSSocket,
} from 'node:tls'
import type { Env } from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'

/** What Go calls `tls.ClientAuthType`. */
export const CLIENT_AUTH = [
  '',
  'NoClientCert',
  'RequestClientCert',
  'RequireAnyClientCert',
  'VerifyClientCertIfGiven',
  'RequireAndVerifyClientCert',
] as const

/** `server.http_tls_config`, and what belongs to it. */
export interface TlsConfig {
  readonly certFile: string
  readonly keyFile: string
  /** PEM, in place of the files. */
  readonly cert: string
  readonly key: string
  readonly clientAuth: (typeof CLIENT_AUTH)[number]
  readonly clientCaFile: string
  readonly clientCa: string
  /** '' or Go's name: VersionTLS12. */
  readonly minVersion: string
  readonly cipherSuites: readonly string[]
  readonly reloadMs: number
}

const VERSIONS: Readonly<Record<string, SecureVersion>> = {
  VersionTLS10: 'TLSv1',
  VersionTLS11: 'TLSv1.1',
  VersionTLS12: 'TLSv1.2',
  VersionTLS13: 'TLSv1.3',
}

/** Whether TLS is wanted. */
export function hasTls(config: TlsConfig): boolean {
  return config.certFile !== '' || config.cert !== ''
}

/** Options of a TLS server. @throws AppError `config-invalid` when a file cannot be read */
export function tlsOptions(config: TlsConfig, env: Pick<Env, 'disk'>): ServerOptions {
  const { clientAuth } = config
  const isAsked = clientAuth !== '' && clientAuth !== 'NoClientCert'
  return {
    ...contextOf(config, env),
    requestCert: isAsked,
    rejectUnauthorized: clientAuth === 'RequireAndVerifyClientCert',
  }
}

/** What connections are made by, at the start and whenever the files have changed. */
function contextOf(config: TlsConfig, env: Pick<Env, 'disk'>): SecureContextOptions {
  const options = {
    ...materialOf(config, env),
    minVersion: minVersionOf(config),
    ...(config.cipherSuites.length > 0 ? { ciphers: config.cipherSuites.join(':') } : {}),
  }
  try {
    createSecureContext(options)
  } catch (error) {
    const text = `server.http_tls_config: ${error instanceof Error ? error.message : String(error)}`
    throw fail('config-invalid', { text }, error)
  }
  return options
}

/** Ends connections whose client certificate is not what was asked for. */
export function checkClients(server: Server, { clientAuth }: TlsConfig): void {
  if (clientAuth !== 'RequireAnyClientCert' && clientAuth !== 'VerifyClientCertIfGiven') return
  server.on('secureConnection', (socket: TLSSocket) => {
    const isGiven = Object.keys(socket.getPeerCertificate() ?? {}).length > 0
    const isGood = clientAuth === 'RequireAnyClientCert' ? isGiven : !isGiven || socket.authorized
    if (!isGood) socket.destroy()
  })
}

/** Reads files again when they have changed, for ever; a broken set leaves the last good one. */
export function watchTls(server: Server, config: TlsConfig, env: Env): void {
  let seen = stamp(config, env)
  const look = (): void => {
    const now = stamp(config, env)
    if (now !== seen) {
      seen = now
      try {
        server.setSecureContext(contextOf(config, env))
        env.log.info('certificates read again')
      } catch (error) {
        const err = (error as Error).message
        env.log.error('certificates not read; the last good ones stay in use', { err })
      }
    }
    env.timers.after(config.reloadMs, look)
  }
  env.timers.after(config.reloadMs, look)
}

function materialOf(config: TlsConfig, env: Pick<Env, 'disk'>): SecureContextOptions {
  const read = (path: string): Buffer => {
    try {
      return Buffer.from(env.disk.readFile(path))
    } catch (error) {
      const text = `server.http_tls_config: ${path} cannot be read`
      throw fail('config-invalid', { text }, error)
    }
  }
  const ca = config.clientCa !== '' ? config.clientCa : config.clientCaFile
  return {
    cert: config.cert !== '' ? config.cert : read(config.certFile),
    key: config.key !== '' ? config.key : read(config.keyFile),
    ...(ca === '' ? {} : { ca: config.clientCa !== '' ? ca : read(ca) }),
  }
}

function minVersionOf(config: TlsConfig): SecureVersion {
  if (config.minVersion === '') return 'TLSv1.2'
  const version = VERSIONS[config.minVersion]
  if (version !== undefined) return version
  const text = `server.tls_min_version: expected one of ${Object.keys(VERSIONS).join(', ')}`
  throw fail('config-invalid', { text })
}

function stamp(config: TlsConfig, env: Env): string {
  const files = [config.certFile, config.keyFile, config.clientCaFile].filter((file) => file !== '')
  return files.map((file) => env.disk.findFacts(file)?.mtime ?? 0).join(' ')
}
