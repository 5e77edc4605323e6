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

test('a bad line is named, and nothing stored', () => {
  const fixture = new Fixture()
  const answer = fixture.push(body(Buffer.from('up 1\nup what\n')), 'acme', BODY_TEXT)
  assert.equal(answer.status, 400)
  assert.match(answer.text, /^line 2: not a value: what/)
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
