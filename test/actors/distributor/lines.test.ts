/** Influx lines and Prometheus text through a distributor. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { BODY_GZIP, BODY_INFLUX, BODY_TEXT } from '../../../src/shared/wire/frames/index.js'
import { bitsOf, Fixture } from './fixture.js'

/** A body behind its parameters. */
function body(lines: Uint8Array, parameters: Record<string, unknown> = {}): Uint8Array {
  const json = Buffer.from(JSON.stringify(parameters))
  const head = Buffer.alloc(4)
  head.writeUInt32LE(json.length)
  return Buffer.concat([head, json, lines])
}

test('stores text, and the metadata in it', () => {
  const fixture = new Fixture()
  const text = Buffer.from('# TYPE up gauge\nup{job="grün"} 1 5\nup 2\n')
  const sent = body(gzipSync(text), { now: 7, extraLabels: ['env', 'ü'] })
  const answer = fixture.push(sent, 'acme', BODY_TEXT | BODY_GZIP)
  assert.equal(answer.text, '')
  assert.deepEqual(Object.fromEntries(fixture.shards[0]!.samples), {
    'acme|__name__=up,env=ü,job=grün': [`5:${bitsOf(1)}`],
    'acme|__name__=up,env=ü': [`7:${bitsOf(2)}`],
  })
  assert.deepEqual(fixture.shards[0]!.metadata, [{ type: 2, metric: 'up', help: '', unit: '' }])
})

test('stores Influx lines at the time of the server when they have none', () => {
  const fixture = new Fixture()
  const answer = fixture.push(body(Buffer.from('cpu,host=a usage=3')), 'acme', BODY_INFLUX)
  assert.equal(answer.status, 200)
  const wanted = [`${fixture.env.clock.now()}:${bitsOf(3)}`]
  const key = 'acme|__mimir_source__=influx,__name__=cpu_usage,host=a'
  assert.deepEqual(fixture.shards[0]!.samples.get(key), wanted)
})

test('bad lines are left out, the first is named, and the rest stored', () => {
  const fixture = new Fixture()
  const text = 'up 1 5\nup what\n{a="b"} 3\ndown 2 5\n'
  const answer = fixture.push(body(Buffer.from(text)), 'acme', BODY_TEXT)
  assert.equal(answer.status, 400)
  assert.match(
    answer.text,
    /^line 2: not a value: what.*; 2 lines are left out \(text_parse_error\)/,
  )
  assert.deepEqual([answer.rejected, answer.written.samples], [2, 2])
  assert.deepEqual(
    [...fixture.shards[0]!.samples.keys()],
    ['acme|__name__=up', 'acme|__name__=down'],
  )
  const { metrics } = fixture.env
  assert.equal(metrics.value('cortex_discarded_samples_total', 'text_parse_error', 'acme'), 2)
  const none = fixture.push(body(Buffer.from('<html>\n')), 'acme', BODY_TEXT)
  assert.match(none.text, /^line 1: no metric name.*; 1 line is left out/)
  assert.deepEqual([none.status, none.written.samples], [400, 0])
})

test('a body of nothing but bad lines is refused soon', () => {
  const fixture = new Fixture()
  const text = `up 1 5\n${'?\n'.repeat(20_000)}`
  const answer = fixture.push(body(Buffer.from(text)), 'acme', BODY_TEXT)
  assert.equal(answer.status, 400)
  assert.match(answer.text, /^line 2: no metric name.*; over 10000 lines are malformed/)
  assert.equal(fixture.shards[0]!.samples.size, 0)
})

test('a body of many pieces is stored whole', () => {
  const fixture = new Fixture({ bodyRing: 32 << 20 })
  const pad = 'x'.repeat(150)
  const lines = Array.from({ length: 40_000 }, (_, i) => `m{i="${i}",pad="${pad}"} ${i} 1`)
  const answer = fixture.push(body(Buffer.from(lines.join('\n'))), 'acme', BODY_TEXT)
  assert.equal(answer.text, '')
  assert.equal(answer.written.samples, 40_000)
  assert.equal(fixture.shards[0]!.samples.size, 40_000)
})
