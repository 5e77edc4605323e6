/**
 * What every way in shares: whether a tenant may push now (`request_rate`, the instance's ingestion
 * rate), how much comes (rates per tenant, for `user_stats`), and what was refused and why (for
 * whoever asks where the data is). Stands before the distributors' client; sees answers, never bodies.
 */
import type { PushAnswer } from '../actors/distributor/contract.js'
import type { Env } from '../shared/env/index.js'
import { fail } from '../shared/errors/index.js'
import { type Limits, requestBucket, TokenBucket } from '../shared/limits/index.js'
import type { PushSink } from './handler.js'

/** Tenants with state here; of more the ones that came first are forgotten. */
const TENANTS_MAX = 16_384
/** Reasons kept of a tenant: texts by their id. */
const REASONS_MAX = 50
/** Of a rate's new value, the share of the last interval. */
const SMOOTHING = 0.2
/** Interval of the instance's rate. */
const INSTANCE_MS = 1_000

/** Of these, those known by their text alone: it may have parts that are another one each time. */
const PLAIN_REASONS_MAX = 20
/** Characters of a reason that is told by its text. */
const REASON_TEXT_MAX = 100

/** Why data of a tenant was refused: one for each reason, with the newest text. */
export interface Rejection {
  /** `err-mimir-label-invalid`; '' for texts without an id. */
  readonly id: string
  /** `label_invalid`; of a text without a name for it what is the same each time. */
  readonly reason: string
  /** Of the newest answer. */
  readonly status: number
  readonly text: string
  /** Requests that were answered so. */
  readonly count: number
  /** ms since the epoch. */
  readonly firstAt: number
  readonly lastAt: number
}

/** What the desk works by. */
export interface PushDeskOptions {
  readonly env: Env
  readonly limits: Limits
  /** `distributor.instance_limits.max_ingestion_rate`, samples a second; 0 = no limit. */
  readonly ingestionRateMax: number
  /** `ingester.rate_update_period`, ms: interval of the tenants' rates. */
  readonly ratePeriodMs: number
  /** No writes are taken. */
  isReadOnly(): boolean
}

interface TenantDesk {
  readonly bucket: TokenBucket
  readonly rate: SmoothRate
  readonly rejections: Map<string, Rejection>
}

/** Admits pushes and keeps account of them. */
export class PushDesk {
  private readonly options: PushDeskOptions
  private readonly instance: SmoothRate
  private readonly tenants = new Map<string, TenantDesk>()

  constructor(options: PushDeskOptions) {
    this.options = options
    this.instance = new SmoothRate(INSTANCE_MS)
  }

  /**
   * Whether a tenant may push now; before its body is read.
   *
   * @throws AppError `read-only`, `err-mimir-tenant-max-request-rate`, `err-mimir-distributor-max-ingestion-rate`
   */
  check(tenant: string): void {
    const { env, limits, ingestionRateMax } = this.options
    if (this.options.isReadOnly()) throw fail('read-only')
    const now = env.clock.monotonic()
    const max = limits.instance('distributor').max_ingestion_rate ?? ingestionRateMax
    if (max > 0 && this.instance.value(now) >= max) {
      env.metrics
        .cell('cortex_distributor_instance_rejected_requests_total', 'ingestion_rate')
        .add(1)
      throw fail('err-mimir-distributor-max-ingestion-rate', { max })
    }
    const bucket = requestBucket(limits.of(tenant))
    if (bucket === undefined || this.deskOf(tenant).bucket.tryTake(1, bucket, now)) return
    env.metrics.cell('cortex_discarded_requests_total', 'rate_limited', tenant).add(1)
    const error = fail('err-mimir-tenant-max-request-rate', { ...bucket })
    this.note(tenant, { status: 429, text: error.message, retryable: true })
    throw error
  }

  /** The distributors' client, with an eye on its answers. */
  over(sink: PushSink): PushSink {
    return {
      push: (tenant, pieces, length, flags, ownership) =>
        sink.push(tenant, pieces, length, flags, ownership).then((answer) => {
          this.note(tenant, answer)
          return answer
        }),
    }
  }

  /** Samples a second of a tenant. */
  rate(tenant: string): number {
    return this.tenants.get(tenant)?.rate.value(this.options.env.clock.monotonic()) ?? 0
  }

  /** Why data of a tenant was refused, the newest first. */
  rejections(tenant: string): Rejection[] {
    const kept = this.tenants.get(tenant)?.rejections.values() ?? []
    return [...kept].sort((a, b) => b.lastAt - a.lastAt)
  }

  /** Tenants of which something is known. */
  known(): string[] {
    return [...this.tenants.keys()].sort()
  }

  private note(tenant: string, answer: PushAnswer): void {
    const { env } = this.options
    const now = env.clock.monotonic()
    const { written } = answer
    const samples = written === undefined ? 0 : written.samples + written.histograms
    if (samples > 0) {
      this.instance.add(samples, now)
      this.deskOf(tenant).rate.add(samples, now)
    }
    // OTLP tells refusals in a success; 202 is no refusal.
    const isRefusal = answer.text !== '' && answer.status < 500 && answer.status !== 202
    if (isRefusal) this.keep(this.deskOf(tenant), answer, env.clock.now())
  }

  private keep({ rejections }: TenantDesk, { status, text }: PushAnswer, at: number): void {
    const id = /err-mimir-[a-z0-9-]+/.exec(text)?.[0] ?? ''
    const reason = reasonOf(id, text)
    const before = rejections.get(reason)
    rejections.delete(reason)
    if (isPlain(reason)) {
      const plain = [...rejections.keys()].filter(isPlain)
      if (plain.length >= PLAIN_REASONS_MAX) rejections.delete(plain[0]!)
    }
    if (rejections.size >= REASONS_MAX) rejections.delete(rejections.keys().next().value!)
    const count = (before?.count ?? 0) + 1
    const firstAt = before?.firstAt ?? at
    rejections.set(reason, { id, reason, status, text, count, firstAt, lastAt: at })
  }

  private deskOf(tenant: string): TenantDesk {
    let desk = this.tenants.get(tenant)
    if (desk !== undefined) return desk
    if (this.tenants.size >= TENANTS_MAX) this.tenants.delete(this.tenants.keys().next().value!)
    const rate = new SmoothRate(this.options.ratePeriodMs)
    desk = { bucket: new TokenBucket(), rate, rejections: new Map() }
    this.tenants.set(tenant, desk)
    return desk
  }
}

/** By the id, the name in brackets that a text has, or the text without numbers, quoted texts and series. */
function reasonOf(id: string, text: string): string {
  if (id !== '') return id.slice('err-mimir-'.length).replaceAll('-', '_')
  const named = /\(([a-z]+(?:_[a-z]+)+)\)/.exec(text)?.[1]
  if (named !== undefined) return named
  return text.slice(0, 500).replace(VARYING, '…').slice(0, REASON_TEXT_MAX)
}

/** It stands for itself: names have no spaces. */
function isPlain(reason: string): boolean {
  return reason.includes(' ')
}

const VARYING = /"(?:[^"\\]|\\.)*"?|\{[^}]*\}?|\d+/g

/** An exponentially weighted rate: what Mimir keeps by a ticker follows here from the time that passed. */
export class SmoothRate {
  private readonly intervalMs: number
  private count = 0
  private rate = 0
  private startedAt: number | undefined
  private isFirst = true

  constructor(intervalMs: number) {
    this.intervalMs = intervalMs
  }

  /** @param now monotonic, ms */
  add(count: number, now: number): void {
    this.value(now)
    this.count += count
  }

  /** A second, as of the last interval that has ended. */
  value(now: number): number {
    this.startedAt ??= now
    const intervals = Math.floor((now - this.startedAt) / this.intervalMs)
    if (intervals === 0) return this.rate
    this.startedAt += intervals * this.intervalMs
    const last = this.count / (this.intervalMs / 1_000)
    this.count = 0
    this.rate = this.isFirst ? last : this.rate + SMOOTHING * (last - this.rate)
    this.isFirst = false
    // Nothing came in the intervals after that one.
    this.rate *= (1 - SMOOTHING) ** (intervals - 1)
    return this.rate
  }
}
