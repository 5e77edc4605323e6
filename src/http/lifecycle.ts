/**
 * What operators wish of the server's life over HTTP: that it takes no writes, that its heads are cut
 * when it stops, that it stops. Mimir has these per ingester; here they are the process'.
 */
import type { Env } from '../shared/env/index.js'

/** Says that a shutdown is prepared, over restarts too; Mimir's name. */
const MARK_FILE = 'shutdown-requested.txt'

/** The wishes. */
export class Lifecycle {
  /** Whether members leave their rings when the process stops. */
  isUnregistering = true
  private readonly env: Env
  private readonly folder: string
  private readonly requestStop: () => void
  private readOnlySince = 0
  private isPrepared: boolean

  /**
   * @param folder the first data root
   * @param requestStop has the process stop as a signal would
   */
  constructor(env: Env, folder: string, requestStop: () => void) {
    this.env = env
    this.folder = folder
    this.requestStop = requestStop
    this.isPrepared = env.disk.list(folder).includes(MARK_FILE)
  }

  /** Whether heads are to be cut when the process stops. */
  isShutdownPrepared(): boolean {
    return this.isPrepared
  }

  /** The same from now on, and after a restart. */
  prepareShutdown(isPrepared: boolean): void {
    if (isPrepared === this.isPrepared) return
    const { disk, clock, log } = this.env
    const path = `${this.folder}/${MARK_FILE}`
    if (isPrepared) disk.replaceFile(path, Buffer.from(new Date(clock.now()).toISOString()))
    else disk.remove(path)
    this.isPrepared = isPrepared
    log.info('shutdown is prepared', { set: isPrepared })
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
