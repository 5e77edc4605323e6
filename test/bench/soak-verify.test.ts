/** The soak's reading back sees every kind of damage, so that "nothing lost" means something. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { verify } from '../../bench/macro/soak/verify.js'
import { type Stream, seriesOfPush } from '../../bench/macro/soak/workload.js'
import { Writer } from '../../bench/macro/soak/writer.js'
import type { PushedHistogram } from '../support/remote-write.js'

const STREAM: Stream = { seed: 3, writer: 0, baseMs: 1_700_000_000_000 }
const PUSHES = 90

type Answered = { count: string; sum: string; buckets: [number, string, string, string][] }

type Stored = {
  metric: Record<string, string>
  values: [number, string][]
  histograms: [number, Answered][]
}[]

/** All pushes as a server would give them back. */
function everything(): Stored {
  const stored = new Map<string, Stored[number]>()
  for (let push = 0; push < PUSHES; push++) {
    for (const { labels, samples, histograms = [] } of seriesOfPush(STREAM, push)) {
      const key = JSON.stringify(labels)
      const found = stored.get(key) ?? { metric: { ...labels }, values: [], histograms: [] }
      stored.set(key, found)
      for (const [time, value] of samples) found.values.push([time / 1000, textOf(value)])
      for (const histogram of histograms) {
        found.histograms.push([histogram.t / 1000, answeredOf(histogram)])
      }
    }
  }
  return [...stored.values()]
}

/** Bounds of buckets are looked at by nobody here. */
function answeredOf({ sum, zeroCount, buckets }: PushedHistogram): Answered {
  const counts = zeroCount > 0 ? [zeroCount, ...buckets] : buckets
  return {
    count: String(counts.reduce((all, one) => all + one, 0)),
    sum: textOf(sum),
    buckets: counts.map((count) => [0, '0', '1', String(count)]),
  }
}

function textOf(value: number): string {
  if (Object.is(value, -0)) return '-0'
  return String(value).replace('Infinity', 'Inf').replace(/^Inf/, '+Inf')
}

/** What verify finds against a server that holds `stored`, when push 5 got no 2xx. */
async function findingsOf(t: TestContext, stored: Stored) {
  const server = createServer((request, response) => {
    request.resume()
    response.end(
      JSON.stringify({ status: 'success', data: { resultType: 'matrix', result: stored } }),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const writer = new Writer(STREAM, { pushUrl: async () => '' })
  for (let push = 0; push < PUSHES; push++) writer.fates.push(push === 5 ? 'open' : 'acked')
  return await verify(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, writer, 0)
}

test('all there: nothing is wrong, and what was not acknowledged is counted apart', async (t) => {
  const findings = await findingsOf(t, everything())
  assert.deepEqual(findings.wrong, [])
  const samples = everything().reduce(
    (sum, { values, histograms }) => sum + values.length + histograms.length,
    0,
  )
  assert.equal(findings.found + findings.extra, samples)
  assert.ok(findings.extra >= 40)
})

test('a lost sample is seen, unless its push got no 2xx', async (t) => {
  const stored = everything()
  stored[10]!.values.splice(0, 1)
  const findings = await findingsOf(t, stored)
  assert.equal(findings.wrong.length, 1)
  assert.match(findings.wrong[0]!, /\(push 0\): lost, .* was acknowledged/)
})

test('a lost and a changed histogram are seen', async (t) => {
  const isOfHistograms = ({ histograms }: Stored[number]) => histograms.length > 2
  const lost = everything()
  lost.find(isOfHistograms)!.histograms.splice(0, 1)
  assert.match(
    (await findingsOf(t, lost)).wrong.join(),
    /lost, histogram of sum .* was acknowledged/,
  )
  const changed = everything()
  changed.find(isOfHistograms)!.histograms[1]![1].sum = '0.125'
  const { wrong } = await findingsOf(t, changed)
  assert.equal(wrong.length, 1)
  assert.match(wrong[0]!, /histogram of sum 0\.125, .* not histogram/)
})

test('a late sample is there with the push that it came with, or lost', async (t) => {
  const stored = everything()
  const at = (time: number): number => Math.round(time * 1000 - STREAM.baseMs) % 40
  const series = stored.find(({ values }) => values.some(([time]) => at(time) === 29))
  assert.ok(series !== undefined)
  const index = series.values.findIndex(([time]) => at(time) === 29)
  series.values.splice(index, 1)
  const findings = await findingsOf(t, stored)
  assert.equal(findings.wrong.length, 1)
  assert.match(findings.wrong[0]!, /\(late, push \d+\): lost, .* was acknowledged/)
})

test('a changed value, an invented sample and an invented series are seen', async (t) => {
  const changed = everything()
  changed[3]!.values[2]![1] = '12345.5'
  assert.match((await findingsOf(t, changed)).wrong.join(), /12345\.5, not /)
  const invented = everything()
  invented[3]!.values.push([STREAM.baseMs / 1000 + 0.001, '1'])
  assert.match((await findingsOf(t, invented)).wrong.join(), /1 was never sent/)
  const alien = everything()
  alien.push({ metric: { __name__: 'alien' }, values: [], histograms: [] })
  assert.match((await findingsOf(t, alien)).wrong.join(), /a series that was never sent/)
})
