/**
 * What operators wish of the server's life over HTTP: that it takes no writes, that its heads are cut
 * when it stops, that it stops. Mimir has these per ingester; here they are the process'. And that its
 * store-gateways are to stop for good.
 */
import type { Env } from '../shared/env/index.js'

/** Files that say that a shutdown is prepared, over restarts too. The name is Mimir's. */
const MARK_FILES = {
  ingester: 'shutdown-requested.txt',
  'store-gateway': 'store-gateway-shutdown-requested.txt',
}

/** Whose shutdown can be prepared. */
export type PreparedKind = keyof typeof MARK_FILES

/** The wishes. */
export class Lifecycle {
  /**
   * Whether members leave their rings when the process stops: kept for who asks for it, and without
   * effect, since rings are of this process and made anew at each start.
   */
  isUnregistering = true
  private readonly env: Env
  private readonly folder: string
  private readonly requestStop: () => void
  private readOnlySince = 0
  private readonly prepared: Set<string>

  /**
   * @param folder the first data root
   * @param requestStop has the process stop as a signal would
   */
  constructor(env: Env, folder: string, requestStop: () => void) {
    this.env = env
    this.folder = folder
    this.requestStop = requestStop
    const files = env.disk.list(folder)
    const isMarked = ([, file]: [string, string]): boolean => files.includes(file)
    this.prepared = new Set(
      Object.entries(MARK_FILES)
        .filter(isMarked)
        .map(([kind]) => kind),
    )
  }

  /**
   * Whether actors of a kind are to stop for good: of ingesters heads are cut then; store-gateways have
   * nothing to do for it, since their rings are not kept.
   */
  isShutdownPrepared(kind: PreparedKind): boolean {
    return this.prepared.has(kind)
  }

  /** The same from now on, and after a restart. */
  prepareShutdown(kind: PreparedKind, isPrepared: boolean): void {
    if (isPrepared === this.prepared.has(kind)) return
    const { disk, clock, log } = this.env
    const path = `${this.folder}/${MARK_FILES[kind]}`
    if (isPrepared) disk.replaceFile(path, Buffer.from(new Date(clock.now()).toISOString()))
    else disk.remove(path)
    if (isPrepared) this.prepared.add(kind)
    else this.prepared.delete(kind)
    log.info('shutdown is prepared', { kind, set: isPrepared })
  }

  /** When writes were switched off, ms since the epoch; 0: they are taken. */
  readOnlyMs(): number {
    return this.readOnlySince
  }

  /** Takes no writes from now on, or takes them again. */
  setReadOnly(isReadOnly: boolean): void {
    if (isReadOnly === this.readOnlySince > 0) return
    this.readOnlySince = isReadOnly ? this.env.clock.now() : 0
    this.env.log.info('writes are switched', { on: !isReadOnly })
  }

  /** Stops the process, as a signal would. */
  stop(): void {
    this.requestStop()
  }
}
