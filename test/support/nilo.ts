/** The built server as a process of its own, for tests end to end and the soak. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type RunningProcess, startProcess, waitFor, waitForUrl } from './processes.js'

/** The entry that `npm start` runs. */
export const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))

/** A running server. */
export interface Nilo extends RunningProcess {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string
  readonly pushUrl: string
  /** What stands before `/api/v1/query`. */
  readonly queryUrl: string
}

/** Starts the server with flags, and Node with others; does not wait for anything. */
export function runNilo(
  args: readonly string[],
  nodeFlags: readonly string[] = [],
): RunningProcess {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is not built`)
  return startProcess({
    command: process.execPath,
    args: [...nodeFlags, MAIN, ...args],
  })
}

/** Starts the server on a free port with its data in `folder`, and waits until it is ready. */
export async function startNilo(
  folder: string,
  args: readonly string[] = [],
  nodeFlags: readonly string[] = [],
): Promise<Nilo> {
  const program = runNilo(
    ['serve', `-data.dir=${folder}`, '-server.http-listen-port=0', ...args],
    nodeFlags,
  )
  const url = await waitFor('the push URL', program, async () => {
    return /(http:\/\/[\d.]+:\d+)\/api\/v1\/push/.exec(program.output())?.[1]
  })
  await waitForUrl(`${url}/ready`, program)
  return { ...program, url, pushUrl: `${url}/api/v1/push`, queryUrl: `${url}/prometheus` }
}
