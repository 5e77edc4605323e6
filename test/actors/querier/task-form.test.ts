import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { QuerierAnswer, QuerierTask } from '../../../src/actors/querier/contract.js'
import { QueryForm, TEXT_BYTES_MAX } from '../../../src/actors/querier/task-form.js'
import type { Packed } from '../../../src/shared/actor/index.js'
import { textOf } from '../../support/querier.js'

const QUERY = { kind: 'label-names', matchers: ['{a="b"}'], mint: 1, maxt: 2, limit: 3 } as const

const STATS = {
  chunks: 1,
  chunkBytes: 2,
  cacheHits: 3,
  cacheMisses: 4,
  samplesPeak: 5,
  bytesPeak: 6,
  prepareMs: 7.5,
  evalMs: 8.5,
  encodeMs: 9.5,
  responseSeries: 10,
  responseSamples: 11,
}

function cloned(packed: Packed): Packed {
  return structuredClone(packed)
}

function answer(bytes: readonly Uint8Array[], more: Partial<QuerierAnswer> = {}): QuerierAnswer {
  return { pieces: bytes, samplesRead: 5, seriesRead: 6, tookMs: 0.5, ...more }
}

function crossed(from: QuerierAnswer): QuerierAnswer {
  return new QueryForm().unpackAnswer(cloned(new QueryForm().packAnswer(from)))
}

describe('the form of queries between threads', () => {
  test('keeps all of a task, and names the cancel cells when they are others', () => {
    const [main, thread] = [new QueryForm(), new QueryForm()]
    const first = new SharedArrayBuffer(8)
    const second = new SharedArrayBuffer(8)
    const task = (cells: SharedArrayBuffer, index: number): QuerierTask => ({
      tenant: 't',
      query: QUERY,
      cancel: { cells, index },
      waitedMs: 0.25,
      queryables: ['a'],
      isRehearsed: true,
    })
    const sent: boolean[] = []
    for (const [cells, index] of [
      [first, 0],
      [first, 1],
      [second, 1],
      [second, 0],
      [first, 1],
    ] as const) {
      const packed = main.packTask(task(cells, index))
      sent.push(packed.includes(cells))
      assert.deepEqual(thread.unpackTask(cloned(packed)), task(cells, index))
    }
    assert.deepEqual(sent, [true, false, true, false, true])
  })

  test('of a thread that is new names them', () => {
    const task: QuerierTask = {
      tenant: 't',
      query: QUERY,
      cancel: { cells: new SharedArrayBuffer(4), index: 0 },
    }
    const main = new QueryForm()
    main.packTask(task)
    assert.throws(() => new QueryForm().unpackTask(main.packTask(task)), /cancel cells/)
    assert.equal(new QueryForm().unpackTask(new QueryForm().packTask(task)).tenant, 't')
  })

  test('has a small answer as text, byte by byte, whatever its pieces', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at)
    const whole = new Uint8Array(300)
    whole.set(bytes, 20)
    const got = crossed(answer([whole.subarray(20, 50), whole.subarray(50, 276)]))
    assert.deepEqual(got.pieces, [])
    assert.deepEqual(Buffer.from(got.text!, 'latin1'), Buffer.from(bytes))
    assert.equal(textOf(crossed(answer([new TextEncoder().encode('{"a":"ö日"}')]))), '{"a":"ö日"}')
  })

  test('leaves a large answer, and none, as they are', () => {
    for (const pieces of [
      [],
      [new Uint8Array(TEXT_BYTES_MAX)],
      [new Uint8Array(8_000), new Uint8Array(8_000)],
    ]) {
      const got = crossed(answer(pieces))
      assert.equal(got.text, undefined)
      assert.deepEqual(got.pieces, pieces)
    }
  })

  test('keeps what is told of an answer', () => {
    const own = [new Uint8Array(TEXT_BYTES_MAX)]
    const bare = crossed(answer(own))
    assert.equal(bare.stats, undefined)
    assert.equal(bare.contentType, undefined)
    const full = answer(own, {
      contentType: 'text/plain',
      contentEncoding: 'snappy',
      stats: STATS,
      text: undefined,
    })
    assert.deepEqual(crossed(full), full)
  })
})
