/**
 * A small model checker: takes the compiled writer and reader, puts a pause before every atomic
 * step, and runs the two ends through every interleaving of their steps. Branches that reach a
 * state seen before are cut (an end is deterministic, so what its atomics returned so far is its
 * state). Checked in each: frames arrive whole and in order, and no end waits for ever.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createRingbuf } from '../../../src/shared/ringbuf/index.js'

type Step = Generator<'atomic' | 'room' | 'bell', void, undefined>

/** The two ends with every method that has atomic steps turned into a generator. */
interface PausingWriter {
  readonly data: Uint8Array
  reserve(kind: number, bytes: number): Generator<'atomic', number, undefined>
  commit(): Generator<'atomic', void, undefined>
  hold(framesMax: number): Generator<'atomic', void, undefined>
  letGo(): Generator<'atomic', void, undefined>
}
interface PausingReader {
  readonly data: Uint8Array
  readonly kind: number
  readonly offset: number
  readonly length: number
  next(): Generator<'atomic', boolean, undefined>
  release(): Generator<'atomic', void, undefined>
  prepareSleep(): Generator<'atomic', boolean, undefined>
  cancelSleep(): Generator<'atomic', void, undefined>
}

const SOURCE = new URL('../../../src/shared/ringbuf/', import.meta.url)
/** What the atomics of the end that runs now returned so far. */
let trace: number[] = []
const pausing = {
  *load(words: Int32Array, at: number): Generator<'atomic', number, undefined> {
    yield 'atomic'
    return note(Atomics.load(words, at))
  },
  *store(words: Int32Array, at: number, value: number): Generator<'atomic', number, undefined> {
    yield 'atomic'
    return note(Atomics.store(words, at, value))
  },
  *compareExchange(
    words: Int32Array,
    at: number,
    from: number,
    to: number,
  ): Generator<'atomic', number, undefined> {
    yield 'atomic'
    return note(Atomics.compareExchange(words, at, from, to))
  },
}

function note(value: number): number {
  trace.push(value)
  return value
}

async function loadPausing(file: string, change: (code: string) => string): Promise<unknown> {
  const code = change(readFileSync(new URL(file, SOURCE), 'utf8'))
    .replace(/\n\/\/# sourceMappingURL.*/, '')
    .replace(/from '\.\//g, `from '${SOURCE.href}`)
    .replace(/^ {4}(?!constructor|private|static)(\w+)\(([^)]*)\) \{$/gm, '    *$1($2) {')
    .replace(/constructor\([\s\S]*?\n {4}\}\n/, (text) =>
      text.replace(/Atomics/g, 'globalThis.Atomics'),
    )
    .replace(/this\.wake\(\)/g, 'yield* this.wake()')
    .replace(/(?<!globalThis\.)Atomics\.(load|store|compareExchange)\(/g, 'yield* step.$1(')
  assert.match(code, /yield\* step\.store/)
  ;(globalThis as { ringbufStep?: typeof pausing }).ringbufStep = pausing
  const module = `const step = globalThis.ringbufStep\n${code}`
  return import(`data:text/javascript,${encodeURIComponent(module)}`)
}

type Ends = {
  Writer: new (buffer: SharedArrayBuffer, ring: () => void) => PausingWriter
  Reader: new (buffer: SharedArrayBuffer) => PausingReader
}

async function loadEnds(change: (code: string) => string = (code) => code): Promise<Ends> {
  const writer = (await loadPausing('writer.js', change)) as { RingWriter: Ends['Writer'] }
  const reader = (await loadPausing('reader.js', change)) as { RingReader: Ends['Reader'] }
  return { Writer: writer.RingWriter, Reader: reader.RingReader }
}

interface Scenario {
  readonly sizeBytes: number
  /** Payload bytes of each frame. */
  readonly frames: readonly number[]
  /** Where both cursors start. */
  readonly start: number
  /** Whether the reader gives back after each frame, or once per drain. */
  readonly releaseEach: boolean
  /** The writer wakes for so many frames, and for the rest when it has no room or no more. */
  readonly holds?: number
}

/** One run: both ends over a ring, stepped by a schedule. */
class Run {
  readonly buffer: SharedArrayBuffer
  readonly writerTrace: number[] = []
  readonly readerTrace: number[] = []
  private readonly writer: Step
  private readonly reader: Step
  private bells = 0
  private waitsFor: Record<'writer' | 'reader', string> = { writer: 'atomic', reader: 'atomic' }
  private headWhenFull = 0

  constructor(ends: Ends, scenario: Scenario) {
    this.buffer = createRingbuf(scenario.sizeBytes, 1)
    new Int32Array(this.buffer)[0] = scenario.start
    new Int32Array(this.buffer)[16] = scenario.start
    this.writer = this.write(new ends.Writer(this.buffer, () => this.bells++), scenario)
    this.reader = this.read(new ends.Reader(this.buffer), scenario)
    this.step('writer')
    this.step('reader')
  }

  /** Who can go on now. */
  runnable(): ('writer' | 'reader')[] {
    return (['writer', 'reader'] as const).filter((end) => {
      const reason = this.waitsFor[end]
      if (reason === 'done') return false
      if (reason === 'bell') return this.bells > 0
      if (reason === 'room') return new Int32Array(this.buffer)[0] !== this.headWhenFull
      return true
    })
  }

  isDone(): boolean {
    return this.waitsFor.writer === 'done' && this.waitsFor.reader === 'done'
  }

  step(end: 'writer' | 'reader'): void {
    trace = end === 'writer' ? this.writerTrace : this.readerTrace
    const result = (end === 'writer' ? this.writer : this.reader).next()
    this.waitsFor[end] = result.done === true ? 'done' : String(result.value)
    if (result.value === 'room') this.headWhenFull = this.writerTrace.at(-1)!
  }

  /** All that decides how it goes on. */
  state(): string {
    const words = new Int32Array(this.buffer)
    const shared = [words[0], words[16], words[32], this.bells]
    return `${this.writerTrace}|${this.readerTrace}|${shared}|${JSON.stringify(this.waitsFor)}`
  }

  private *write(writer: PausingWriter, scenario: Scenario): Step {
    const { holds = 0 } = scenario
    if (holds > 0) yield* writer.hold(holds)
    for (const [index, bytes] of scenario.frames.entries()) {
      let offset = yield* writer.reserve(index, bytes)
      while (offset < 0) {
        yield* writer.letGo()
        // It looks again: the reader may have given back meanwhile.
        offset = yield* writer.reserve(index, bytes)
        if (offset >= 0) break
        yield 'room'
        offset = yield* writer.reserve(index, bytes)
      }
      if (holds > 0) yield* writer.hold(holds)
      writer.data.fill(index + 1, offset, offset + bytes)
      yield* writer.commit()
    }
    yield* writer.letGo()
  }

  private *read(reader: PausingReader, scenario: Scenario): Step {
    let taken = 0
    while (taken < scenario.frames.length) {
      while (yield* reader.next()) {
        const payload = reader.data.subarray(reader.offset, reader.offset + reader.length)
        assert.equal(reader.kind, taken)
        assert.deepEqual([...payload], Array(scenario.frames[taken]!).fill(taken + 1))
        taken++
        if (scenario.releaseEach) yield* reader.release()
      }
      yield* reader.release()
      if (taken === scenario.frames.length) return
      if (yield* reader.prepareSleep()) {
        yield 'bell'
        this.bells--
        yield* reader.cancelSleep()
      }
    }
  }
}

/** Runs every interleaving; returns how many ended, how many states were seen, and wakes posted. */
function explore(ends: Ends, scenario: Scenario): { ended: number; states: number } {
  const seen = new Set<string>()
  const schedules: ('writer' | 'reader')[][] = [[]]
  let ended = 0
  while (schedules.length > 0) {
    const schedule = schedules.pop()!
    const run = new Run(ends, scenario)
    for (const end of schedule) run.step(end)
    // Goes down one branch to its end, and leaves the other choice at each fork for later.
    while (true) {
      const state = run.state()
      if (seen.has(state)) break
      seen.add(state)
      const [choice, other] = run.runnable()
      if (choice === undefined) {
        assert.ok(run.isDone(), `both ends wait for ever after ${schedule.join(' ')}`)
        ended++
        break
      }
      if (other !== undefined) schedules.push([...schedule, other])
      schedule.push(choice)
      run.step(choice)
    }
  }
  return { ended, states: seen.size }
}

const SCENARIOS: Scenario[] = [
  { sizeBytes: 64, frames: [8, 8], start: 0, releaseEach: true },
  { sizeBytes: 64, frames: [24, 24, 24], start: 0, releaseEach: false },
  { sizeBytes: 64, frames: [24, 16, 24], start: 40, releaseEach: true },
  { sizeBytes: 64, frames: [0, 24, 5, 24], start: 16, releaseEach: false },
  { sizeBytes: 64, frames: [1, 2, 3, 4], start: -24, releaseEach: true },
  { sizeBytes: 128, frames: [8, 8, 8], start: 0, releaseEach: false, holds: 2 },
  { sizeBytes: 64, frames: [8, 24, 8], start: 40, releaseEach: true, holds: 2 },
]

test('every interleaving delivers all frames in order and wakes the sleeper', async () => {
  const ends = await loadEnds()
  for (const scenario of SCENARIOS) {
    const { ended, states } = explore(ends, scenario)
    assert.ok(ended > 0)
    assert.ok(states > 100, `only ${states} states`)
  }
})

test('the checker finds a lost wake-up when the reader does not look again', async () => {
  const ends = await loadEnds((code) =>
    code.replace(
      /(Atomics\.store\(this\.header, SLEEPING, 1\);)\s*this\.tailSeen = Atomics\.load\(this\.header, TAIL\);/,
      '$1',
    ),
  )
  assert.throws(() => explore(ends, SCENARIOS[0]!), /wait for ever/)
})

test('the checker finds a lost wake-up when a hold is not let go', async () => {
  const ends = await loadEnds((code) =>
    code.replace(/(letGo\(\) \{)/, '$1\n        this.held = 0;'),
  )
  assert.throws(() => explore(ends, SCENARIOS.at(-2)!), /wait for ever/)
})

test('the checker finds a frame published before it is written', async () => {
  const ends = await loadEnds((code) => {
    const store = 'Atomics.store(this.header, TAIL, this.tail);'
    assert.ok(!code.includes('class RingWriter') || code.includes(store))
    if (!code.includes(store)) return code
    const early = 'Atomics.store(this.header, TAIL, (this.start + frameBytes(this.length)) | 0);'
    return code
      .replace(store, '')
      .replace(/(const word = )/, `${early}\n        Atomics.load(this.header, TAIL);\n        $1`)
  })
  assert.throws(() => explore(ends, SCENARIOS[1]!), /damaged|strictly/)
})

test('the checker finds a writer that trusts a head it did not read', async () => {
  const ends = await loadEnds((code) =>
    code.replace(
      /if \(this\.size - \(\(this\.tail - this\.headSeen\) >>> 0\) < needed\) \{/,
      'if (false) {',
    ),
  )
  assert.throws(() => explore(ends, SCENARIOS[1]!), /damaged|strictly/)
})
