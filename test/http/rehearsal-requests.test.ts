/** The pushes of a rehearsal: what they say, and that times and values move on in place. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uncompressSync } from 'snappy'
import { RehearsalRequests } from '../../src/http/rehearsal-requests.js'
import { decodeWriteRequest } from '../../src/shared/wire/remote-write/index.js'

const START = 1_700_000_000_000
const SERIES = 400

/** Samples of a request by their labels. */
function samplesOf(request: Buffer): Map<string, { t: number; v: number }> {
  const end = request.indexOf('\r\n\r\n')
  const head = request.toString('latin1', 0, end)
  const body = request.subarray(end + 4)
  assert.match(head, /^POST \/mimir\/api\/v1\/push HTTP\/1\.1\r\n/)
  assert.match(head, new RegExp(`\r\nContent-Length: ${body.length}\r\n`))
  const { series } = decodeWriteRequest(uncompressSync(body) as Buffer)
  return new Map(
    series.map(({ labels, times, values }) => {
      assert.equal(times.length, 1)
      const names = labels.map(({ name }) => name)
      assert.deepEqual(names, [...names].sort())
      return [
        JSON.stringify(labels),
        { t: times[0]!, v: new Float64Array(values.buffer, values.byteOffset)[0]! },
      ]
    }),
  )
}

test('each scrape has all series once, at its time, with values that move', () => {
  const requests = new RehearsalRequests('/mimir/api/v1/push', SERIES, START)
  const scrapes: Map<string, { t: number; v: number }>[] = []
  for (let scrape = 0; scrape < 3; scrape++) {
    const all = Array.from({ length: requests.count }, (_, at) => [...samplesOf(requests.at(at))])
    const samples = new Map(all.flat())
    assert.equal(all.flat().length, SERIES)
    assert.equal(samples.size, SERIES, 'no two series are alike')
    for (const { t } of samples.values()) assert.equal(t, START + scrape * 15_000)
    scrapes.push(samples)
    requests.next()
  }
  const [first, , last] = scrapes
  assert.deepEqual([...last!.keys()], [...first!.keys()])
  const moved = [...first!].filter(([labels, { v }]) => last!.get(labels)!.v !== v)
  assert.ok(moved.length > SERIES / 2 && moved.length < SERIES, `${moved.length} of them moved`)
})
