/**
 * Keeps limits as the runtime files say (`runtime_config.file`): reads them at the start and every
 * period, and hands out new limits with the next version when their text has changed. Files that
 * cannot be read or are wrong change nothing: the last good ones stay, and log, metrics and page
 * (`/runtime_config`) say so. At the start they end it, as an unknown configuration key does.
 */
import { createHash } from 'node:crypto'
import {
  type Config,
  EMPTY_RUNTIME,
  parseRuntimeConfig,
  printLimits,
  type RuntimeConfig,
  type RuntimeFile,
} from '../../shared/config/index.js'
import type { Env, Timer } from '../../shared/env/index.js'
import { AppError, fail } from '../../shared/errors/index.js'
import {
  Limits,
  type LimitsData,
  limitsDataOf,
  type TenantLimits,
} from '../../shared/limits/index.js'
import { parseMetricSelector, SELECTOR_OPTIONS } from '../../shared/promql/syntax/index.js'
import { TRACKERS_MAX } from '../ingester/contract.js'

/** Limits that are names with selectors. */
const TRACKER_LIMITS = [
  'active_series_custom_trackers',
  'active_series_additional_custom_trackers',
] as const

/**
 * The limits that a server begins with, and the text of its runtime files.
 *
 * @throws AppError `config-invalid`, `disk-failed`
 */
export async function readLimits(
  env: Pick<Env, 'disk'>,
  config: Config,
): Promise<{ readonly data: LimitsData; readonly text: string }> {
  const files = readFiles(env, config)
  const runtime = files.length === 0 ? EMPTY_RUNTIME : await parseRuntimeConfig(files)
  return { data: checkedLimits(config, runtime), text: textOf(files) }
}

/** How the last reading went. */
export interface RuntimeConfigStatus {
  /** Of the limits in force. */
  readonly version: number
  /** SHA-256 of the files in force; '' without files. */
  readonly hash: string
  /** When the limits in force were read, ms since the epoch. */
  readonly loadedAt: number
  /** Why the files on disk are not in force; '' when they are. */
  readonly problem: string
}

/** The runtime files and the limits that follow from them, on the main thread. */
export class RuntimeConfigWatch {
  /** Main's own limits, always the newest. */
  readonly limits: Limits
  private readonly env: Env
  private readonly config: Config
  private readonly onChange: (data: LimitsData) => void
  private status_: RuntimeConfigStatus
  /** The text last looked at, good or bad: a broken file is reported once. */
  private lastText: string
  private timer: Timer | undefined
  private isStopped = false

  private constructor(
    env: Env,
    config: Config,
    first: { readonly data: LimitsData; readonly text: string },
    onChange: (data: LimitsData) => void,
  ) {
    this.env = env
    this.config = config
    this.onChange = onChange
    this.limits = new Limits(first.data)
    this.lastText = first.text
    const hash = this.hasFiles() ? hashOf(first.text) : ''
    this.status_ = { version: 1, hash, loadedAt: env.clock.now(), problem: '' }
    if (this.hasFiles()) this.show()
  }

  /**
   * Reads the files for the first time.
   *
   * @param onChange is given each newer version
   * @throws AppError `config-invalid`, `disk-failed`
   */
  static async open(
    env: Env,
    config: Config,
    onChange: (data: LimitsData) => void,
  ): Promise<RuntimeConfigWatch> {
    return new RuntimeConfigWatch(env, config, await readLimits(env, config), onChange)
  }

  /** Reads again and again from now on. */
  start(): void {
    if (!this.hasFiles() || this.isStopped) return
    this.timer = this.env.timers.after(this.config['runtime_config.period'], () => {
      void this.reload().finally(() => this.start())
    })
  }

  stop(): void {
    this.isStopped = true
    this.timer?.cancel()
  }

  /** Whether there are files at all. */
  hasFiles(): boolean {
    return this.config['runtime_config.file'].length > 0
  }

  status(): RuntimeConfigStatus {
    return this.status_
  }

  /** Reads the files once more, and takes them when they have changed and are good. */
  async reload(): Promise<void> {
    let text = ''
    try {
      const files = readFiles(this.env, this.config)
      text = textOf(files)
      if (text === this.lastText) return
      const runtime = await parseRuntimeConfig(files)
      const data = checkedLimits(this.config, runtime, this.limits.version() + 1)
      this.take(data, text)
    } catch (error) {
      this.refuse(error instanceof Error ? error.message : String(error))
    }
    this.lastText = text
    this.show()
  }

  /** The limits in force as YAML, for `/runtime_config`. */
  print(mode: 'all' | 'diff'): string {
    const { limits, status_ } = this
    const data = limits.snapshot()
    const base = mode === 'diff' ? limits.defaults() : undefined
    const lines: string[] = []
    if (status_.problem !== '') {
      const since = new Date(status_.loadedAt).toISOString()
      lines.push(`# The files on disk are not in force; what follows was read at ${since}:`)
      lines.push(...status_.problem.split('\n').map((line) => `#   ${line}`))
    }
    lines.push('overrides:')
    for (const [tenant, row] of limits.overridden()) {
      const own = printLimits(row, '    ', base)
      lines.push(`  ${JSON.stringify(tenant)}:${own.length === 0 ? ' {}' : ''}`, ...own)
    }
    if (limits.overridden().size === 0) lines[lines.length - 1] = 'overrides: {}'
    lines.push(...instanceLines('distributor_limits', data.distributorLimits))
    lines.push(...instanceLines('ingester_limits', data.ingesterLimits))
    return `${lines.join('\n')}\n`
  }

  private take(data: LimitsData, text: string): void {
    const { env } = this
    const hash = hashOf(text)
    if (this.status_.hash !== hash) this.hashCell().set(0)
    const now = env.clock.now()
    this.status_ = { version: data.version, hash, loadedAt: now, problem: '' }
    this.limits.take(data)
    const tenants = data.overrides.size
    env.log.info('runtime configuration taken', { version: data.version, tenants })
    this.onChange(data)
  }

  private refuse(problem: string): void {
    const isNew = problem !== this.status_.problem
    this.status_ = { ...this.status_, problem }
    if (!isNew) return
    const { version } = this.status_
    this.env.log.error('runtime configuration refused, the last good one stays', {
      err: problem,
      version,
    })
  }

  private show(): void {
    const isGood = this.status_.problem === ''
    this.env.metrics.cell('cortex_runtime_config_last_reload_successful').set(isGood ? 1 : 0)
    this.hashCell().set(1)
  }

  private hashCell() {
    return this.env.metrics.cell('cortex_runtime_config_hash', this.status_.hash)
  }
}

/** Limits, with what of them only PromQL's parser can check. */
function checkedLimits(config: Config, runtime: RuntimeConfig, version = 1): LimitsData {
  const data = limitsDataOf(config, runtime, version)
  checkTrackers(data.defaults, 'limits')
  for (const [tenant, row] of data.overrides) {
    checkTrackers(row, `overrides of ${tenant}`, { ...data.defaults, ...row })
  }
  return data
}

/** Custom trackers are names with selectors, not too many. @param all what the tenant has then */
function checkTrackers(
  limits: Partial<TenantLimits>,
  where: string,
  all: Partial<TenantLimits> = limits,
): void {
  for (const key of TRACKER_LIMITS) {
    const trackers = limits[key] ?? {}
    if (typeof trackers !== 'object' || Array.isArray(trackers)) {
      throw fail('config-invalid', { text: `${where}: ${key}: expected names with selectors` })
    }
    for (const [name, selector] of Object.entries(trackers)) {
      try {
        parseMetricSelector(String(selector), SELECTOR_OPTIONS)
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        const text = `${where}: ${key}: ${name}: ${error.message}`
        throw fail('config-invalid', { text }, error)
      }
    }
  }
  const names = new Set(TRACKER_LIMITS.flatMap((key) => Object.keys(all[key] ?? {})))
  if (names.size <= TRACKERS_MAX) return
  const text = `${where}: ${names.size} custom trackers, at most ${TRACKERS_MAX} are counted`
  throw fail('config-invalid', { text })
}

function readFiles(env: Pick<Env, 'disk'>, config: Config): RuntimeFile[] {
  return config['runtime_config.file'].map((name) => ({
    name,
    text: Buffer.from(env.disk.readFile(name)).toString('utf8'),
  }))
}

function textOf(files: readonly RuntimeFile[]): string {
  return files.map(({ text }) => text).join('\0')
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function instanceLines(block: string, limits: Readonly<Record<string, number>>): string[] {
  const lines = Object.entries(limits).map(([name, value]) => `  ${name}: ${value}`)
  return lines.length === 0 ? [] : [`${block}:`, ...lines]
}
