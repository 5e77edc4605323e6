/**
 * Mimir's hash rings, as the actors of this process make them up: who is in, since when, and when it
 * was last heard of. A member registers with its first heartbeat; one that has been silent for the
 * heartbeat timeout is unhealthy, and after some such times it is forgotten, as it is on demand. It
 * comes back by its next heartbeat. Where series and blocks go does not hang on this: a shard that is
 * being restarted still has its part.
 */
import type { Env, Timer } from '../../shared/env/index.js'
import { createHashring, placeOf } from '../../shared/hashring/index.js'
import type { MetricsRegistry } from '../../shared/telemetry/index.js'
import type { ChildState, RingMember, RingState } from './contract.js'

/** Between two looks, ms. */
const LOOK_MS = 1_000

/** An actor as the supervisor has it. */
export interface RingLife {
  readonly kind: string
  readonly index: number
  readonly state: ChildState
  /** Heartbeats of its thread; undefined without one. */
  readonly beats: number | undefined
  /** It has not come to having all its data. */
  readonly isJoining: boolean
}

/** What a ring goes by. */
export interface RingSettings {
  /** Actors of the kind, in all zones. */
  readonly memberCount: number
  readonly zones: number
  /** One token each: nothing is placed on it. */
  readonly isForCounting?: boolean
  readonly heartbeatTimeoutMs: number
  /** Timeouts after which an unhealthy member is forgotten; 0: never. */
  readonly forgetPeriods: number
}

interface Entry {
  readonly kind: string
  readonly index: number
  readonly registeredMs: number
  heartbeatMs: number
  state: ChildState
  isJoining: boolean
}

/** Mimir's word for a state. */
const STATES: Readonly<Record<ChildState, RingState>> = {
  starting: 'JOINING',
  running: 'ACTIVE',
  restarting: 'UNHEALTHY',
  draining: 'LEAVING',
  stopped: 'PENDING',
}

/** The rings of all kinds of actors. */
export class Rings {
  private readonly env: Env
  private readonly settings: Readonly<Record<string, RingSettings>>
  private readonly lives: () => readonly RingLife[]
  private readonly entries = new Map<string, Entry>()
  /** Beats at the last look, also of those that were forgotten. */
  private readonly beats = new Map<string, number>()
  private timer: Timer | undefined

  /**
   * @param settings by kind: there is a ring of each of these
   * @param lives all actors at a moment
   */
  constructor(
    env: Env,
    settings: Readonly<Record<string, RingSettings>>,
    lives: () => readonly RingLife[],
  ) {
    this.env = env
    this.settings = settings
    this.lives = lives
  }

  /** Looks at all actors from now on. */
  start(): void {
    this.timer = this.env.timers.after(LOOK_MS, () => this.start())
    this.look()
  }

  stop(): void {
    this.timer?.cancel()
  }

  /** Takes the heartbeats since the last look. */
  look(): void {
    const now = this.env.clock.now()
    for (const life of this.lives()) {
      if (this.settings[life.kind] === undefined) continue
      const id = `${life.kind}-${life.index}`
      const { kind, index, beats = 0, state, isJoining } = life
      // A thread that has just begun counts from nothing again.
      const hasBeaten = beats > 0 && beats !== this.beats.get(id)
      this.beats.set(id, beats)
      const known = this.entries.get(id)
      if (known === undefined && !hasBeaten) continue
      const entry = known ?? { kind, index, registeredMs: now, heartbeatMs: now, state, isJoining }
      entry.state = state
      entry.isJoining = isJoining
      if (hasBeaten) entry.heartbeatMs = now
      this.entries.set(id, entry)
    }
    this.forgetSilent(now)
  }

  private forgetSilent(now: number): void {
    for (const [id, { kind, heartbeatMs }] of this.entries) {
      const { heartbeatTimeoutMs, forgetPeriods } = this.settings[kind]!
      if (forgetPeriods === 0 || now - heartbeatMs < heartbeatTimeoutMs * forgetPeriods) continue
      this.entries.delete(id)
      this.env.log.warn('ring member was forgotten: it has been silent for long', { member: id })
    }
  }

  /** Kinds of which there is a ring. */
  kinds(): readonly string[] {
    return Object.keys(this.settings)
  }

  /** The members of a ring, in order. */
  members(kind: string): RingMember[] {
    this.look()
    const now = this.env.clock.now()
    const { memberCount, zones, isForCounting = false } = this.settings[kind]!
    const perZone = memberCount / zones
    const { tokens, owners } = createHashring(perZone)
    return [...this.entries]
      .filter(([, entry]) => entry.kind === kind)
      .map(([id, entry]) => {
        const { zone, member } = placeOf(entry.index, perZone)
        const own = [...tokens].filter((_, at) => owners[at] === member)
        return {
          id,
          index: entry.index,
          state: this.stateOf(entry, now),
          heartbeatMs: entry.heartbeatMs,
          registeredMs: entry.registeredMs,
          zone: zones > 1 ? `zone-${zone}` : '',
          tokens: isForCounting ? own.slice(0, 1) : own,
        }
      })
      .sort((a, b) => a.index - b.index)
  }

  private stateOf({ kind, state, isJoining, heartbeatMs }: Entry, now: number): RingState {
    if (now - heartbeatMs >= this.settings[kind]!.heartbeatTimeoutMs) return 'UNHEALTHY'
    return state === 'running' && isJoining ? 'JOINING' : STATES[state]
  }

  /** Takes a member out; false when there is none of this name. It comes back with its next heartbeat. */
  forget(kind: string, id: string): boolean {
    if (this.entries.get(id)?.kind !== kind) return false
    this.entries.delete(id)
    this.env.log.info('ring member was forgotten on demand', { member: id })
    return true
  }
}

/** Names of the rings in Mimir's metrics, where they are others. */
const METRIC_NAMES: Readonly<Record<string, string>> = { 'store-gateway': 'store-gateway-client' }
/** States in Mimir's metrics; each is shown, also at 0. */
const METRIC_STATES = {
  PENDING: 'PENDING',
  JOINING: 'JOINING',
  ACTIVE: 'ACTIVE',
  LEAVING: 'LEAVING',
  UNHEALTHY: 'Unhealthy',
} as const satisfies Record<RingState, string>

/** Shows the rings as metrics, as they are when asked for. */
export function exportRings(registry: MetricsRegistry, rings: Rings): void {
  const all = () =>
    rings
      .kinds()
      .map((kind) => ({ name: METRIC_NAMES[kind] ?? kind, members: rings.members(kind) }))
  const perState = (value: (members: readonly RingMember[]) => number) =>
    all().flatMap(({ name, members }) =>
      Object.entries(METRIC_STATES).map(([state, shown]) => ({
        labelValues: [name, shown],
        value: value(members.filter((member) => member.state === state)),
      })),
    )
  registry.compute('cortex_ring_members', () => perState((members) => members.length))
  registry.compute('cortex_ring_oldest_member_timestamp', () =>
    perState((members) =>
      members.length === 0 ? 0 : Math.min(...members.map((member) => member.heartbeatMs)) / 1000,
    ),
  )
  registry.compute('cortex_ring_tokens_total', () =>
    all().map(({ name, members }) => ({
      labelValues: [name],
      value: members.reduce((sum, { tokens }) => sum + tokens.length, 0),
    })),
  )
}
