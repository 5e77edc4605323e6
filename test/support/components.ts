/**
 * The real servers of scripts/test-components.sh: where they are, and how they are started. A test
 * that needs one which is not installed is skipped with the reason; with `CI` set it fails.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { missing } from './missing.js'
import { freePort } from './ports.js'
import { type RunningProcess, startProcess, waitForUrl } from './processes.js'

/** Programs that the script installs. */
export type ComponentName = 'prometheus' | 'promtool' | 'prometheus-node-exporter' | 'vmagent'

/** A started server. */
export interface Component extends RunningProcess {
  readonly url: string
}

/** Path of a component; undefined after the test was skipped for want of it. */
export function findComponent(t: TestContext, name: ComponentName): string | undefined {
  const path = resolve('.cache/components/usr/bin', name)
  if (existsSync(path)) return path
  missing(t, `${name} (scripts/test-components.sh installs it)`)
  return undefined
}

/** Where the OpenTelemetry SDK was installed; undefined after the test was skipped for want of it. */
export function findOtel(t: TestContext): string | undefined {
  const path = resolve('.cache/components/otel/node_modules/@opentelemetry')
  if (existsSync(path)) return path
  missing(t, 'the OpenTelemetry SDK (scripts/test-components.sh installs it)')
  return undefined
}

/** What of Prometheus' configuration a test chooses. */
export interface PrometheusOptions {
  readonly binary: string
  /** Folder for its configuration and data. */
  readonly folder: string
  /** prometheus.yml, made when its own host and port are known. */
  readonly config: (own: string) => string
  readonly features?: readonly string[]
  /** More flags. */
  readonly flags?: readonly string[]
}

/** Starts a Prometheus on a free port and waits until it is ready. */
export async function startPrometheus(options: PrometheusOptions): Promise<Component> {
  mkdirSync(options.folder, { recursive: true })
  const file = join(options.folder, 'prometheus.yml')
  const port = await freePort()
  writeFileSync(file, options.config(`127.0.0.1:${port}`))
  const args = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(options.folder, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--web.enable-remote-write-receiver',
    '--log.level=warn',
    ...(options.flags ?? []),
  ]
  if (options.features !== undefined && options.features.length > 0) {
    args.push(`--enable-feature=${options.features.join(',')}`)
  }
  const url = `http://127.0.0.1:${port}`
  const program = startProcess({ command: options.binary, args })
  await waitForUrl(`${url}/-/ready`, program)
  return { ...program, url }
}

/** Starts a node_exporter on a free port and waits until it answers. */
export async function startNodeExporter(binary: string): Promise<Component> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const args = [`--web.listen-address=127.0.0.1:${port}`, '--log.level=error']
  const program = startProcess({ command: binary, args })
  await waitForUrl(`${url}/metrics`, program)
  return { ...program, url }
}
