/**
 * How the process is told to stop: the first SIGTERM or SIGINT starts an orderly stop, a second one
 * says that there is no time for what is in flight. Called by serve.ts alone.
 */
import type { Log } from '../telemetry/index.js'

/** @param stop ends the process; `hurry` resolves with the second signal */
export function onStopSignal(log: Log, stop: (hurry: Promise<void>) => Promise<void>): void {
  let hurryUp = (): void => {}
  const hurry = new Promise<void>((resolve) => {
    hurryUp = resolve
  })
  let isStopping = false
  const onSignal = (signal: NodeJS.Signals): void => {
    log.info(isStopping ? 'stopping at once' : 'stopping', { signal })
    if (isStopping) {
      hurryUp()
      return
    }
    isStopping = true
    stop(hurry).catch((error: unknown) => {
      log.error('stopping failed', { err: String(error) })
      process.exit(1)
    })
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}
