/**
 * Unpacks gzip into memory that is there already. Hot, per OTLP body (bench/actors/distributor/otlp):
 * `zlib.gunzipSync` makes a stream and a buffer each time, which the collector then has to free; with
 * the copy out of it that is as dear as the unpacking itself (132 against 250 ns a sample, medians).
 *
 * Node has no public call for this. What is used is the engine below its streams, the same in Node 18
 * to 24; where it is not as expected the public call does it.
 */
import * as zlib from 'node:zlib'
import { fail } from '../../errors/index.js'

/** What of Node's engine is used (lib/zlib.js, processChunkSync). */
interface Engine {
  readonly _handle: {
    onerror: (message: string) => void
    reset(): void
    writeSync(
      flush: number,
      source: Uint8Array,
      sourceAt: number,
      sourceBytes: number,
      target: Uint8Array,
      targetAt: number,
      targetBytes: number,
    ): void
  }
  /** Bytes of target and source that are left. */
  readonly _writeState: Uint32Array
}

/** An unpacker, used for one body after the other. */
export class Gunzip {
  private readonly engine: Engine | undefined
  private hasFailed = false

  constructor() {
    const engine: unknown = zlib.createGunzip()
    if (!isEngine(engine)) return
    this.engine = engine
    engine._handle.onerror = () => {
      this.hasFailed = true
    }
  }

  /**
   * Unpacks a body to the start of `target`.
   *
   * @returns its length; undefined when it is longer than the target
   * @throws AppError `bad-data` when it is corrupt
   */
  unpack(source: Uint8Array, target: Uint8Array): number | undefined {
    const { engine } = this
    if (engine === undefined) return unpackPublicly(source, target)
    this.hasFailed = false
    engine._handle.reset()
    const { Z_FINISH } = zlib.constants
    engine._handle.writeSync(Z_FINISH, source, 0, source.length, target, 0, target.length)
    if (this.hasFailed) throw fail('bad-data', { text: 'gzip: corrupt input' })
    const left = engine._writeState[0]!
    // With the last byte used there is no telling whether more was to come.
    return left === 0 ? undefined : target.length - left
  }
}

function isEngine(value: unknown): value is Engine {
  const { _handle: handle, _writeState: state } = value as Partial<Engine>
  return (
    typeof handle?.writeSync === 'function' &&
    typeof handle.reset === 'function' &&
    state instanceof Uint32Array
  )
}

function unpackPublicly(source: Uint8Array, target: Uint8Array): number | undefined {
  let plain: Buffer
  try {
    plain = zlib.gunzipSync(source, { maxOutputLength: target.length - 1 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return undefined
    throw fail('bad-data', { text: 'gzip: corrupt input' }, error)
  }
  target.set(plain)
  return plain.length
}
