/**
 * Main's part of the HA tracker: makes the cells, keeps who is elected in a file over a restart, frees
 * clusters that were silent for long, and shows them.
 */
import type { Config } from '../../shared/config/index.js'
import type { Disk, Env, Timer } from '../../shared/env/index.js'
import { fail } from '../../shared/errors/index.js'
import { createHaCells, HaCells, type HaEntry } from '../../shared/limits/index.js'
import type { MetricsRegistry } from '../../shared/telemetry/index.js'

/** How often changes are written, and looked for what was silent. */
const KEEP_MS = 5_000
/** A cluster that was silent for so long is forgotten. */
const SILENT_MS = 30 * 60_000
const FILE = 'ha-tracker.json'

/** The tracker as main holds it. */
export interface HaKeeper {
  /** For the boot data of distributors. */
  readonly cells: SharedArrayBuffer
  list(): HaEntry[]
  /** Writes the file a last time. */
  stop(): void
}

/** Takes the file of an earlier life, and keeps it from now on where the tracker is on. */
export function startHaKeeper(config: Config, env: Env, registry: MetricsRegistry): HaKeeper {
  const cells = createHaCells()
  const view = new HaCells(cells)
  if (!config['distributor.ha_tracker.enable_ha_tracker']) {
    return { cells, list: () => [], stop: () => {} }
  }
  const path = `${config['data.dir']}/${FILE}`
  view.restore(readEntries(env, path))
  registry.compute('cortex_ha_tracker_elected_replica_timestamp_seconds', () =>
    view.list().map(({ tenant, cluster, heardAt }) => ({
      labelValues: [tenant, cluster],
      value: heardAt / 1000,
    })),
  )
  let written = ''
  const keep = (): void => {
    view.sweep(env.clock.now() - SILENT_MS)
    const text = JSON.stringify(view.list())
    if (text === written) return
    try {
      env.disk.makeFolder(config['data.dir'])
      replaceUnsynced(env.disk, path, Buffer.from(text))
      written = text
    } catch (error) {
      env.log.warn('elected replicas could not be written', { err: String(error) })
    }
  }
  let timer: Timer | undefined
  const tick = (): void => {
    keep()
    timer = env.timers.after(KEEP_MS, tick)
  }
  timer = env.timers.after(KEEP_MS, tick)
  return {
    cells,
    list: () => view.list(),
    stop: () => {
      timer?.cancel()
      keep()
    },
  }
}

/**
 * A kill finds the file of before or of after. Not synced: main takes the pushes, and all would wait for
 * the disk; after a power cut the next replica heard may be elected.
 */
function replaceUnsynced(disk: Disk, path: string, bytes: Uint8Array): void {
  const temporary = `${path}.tmp`
  const file = disk.open(temporary, 'create')
  try {
    if (file.write(bytes) !== bytes.length)
      throw fail('disk-failed', { text: `write ${temporary}` })
  } finally {
    file.close()
  }
  disk.rename(temporary, path)
}

/** A file that cannot be read is as if it were not there: the next replica heard is elected. */
function readEntries(env: Env, path: string): HaEntry[] {
  if (!env.disk.exists(path)) return []
  try {
    const parsed: unknown = JSON.parse(Buffer.from(env.disk.readFile(path)).toString('utf8'))
    if (!Array.isArray(parsed)) throw new TypeError('not a list')
    return parsed.filter(isEntry)
  } catch (error) {
    env.log.warn('elected replicas of the last run are lost', { file: path, err: String(error) })
    return []
  }
}

function isEntry(value: unknown): value is HaEntry {
  if (value === null || typeof value !== 'object') return false
  const entry = value as Readonly<Record<string, unknown>>
  const texts = [entry.tenant, entry.cluster, entry.replica]
  const numbers = [entry.heardAt, entry.electedAt, entry.elections]
  return texts.every((one) => typeof one === 'string') && numbers.every(Number.isFinite)
}
