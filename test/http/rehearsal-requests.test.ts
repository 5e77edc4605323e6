/** The pushes of a rehearsal: what they say, and that times and values move on in place. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { uncompressSync } from 'snappy'
import {
  type PlayedTenant,
  playedTenants,
  RehearsalRequests,
} from '../../src/http/rehearsal-requests.js'
import { Limits, practiceLimits } from '../../src/shared/limits/index.js'
import type { Label } from '../../src/shared/model/labels.js'
import { decodeWriteRequest } from '../../src/shared/wire/remote-write/index.js'
import { testLimits } from '../support/limits.js'

const START = 1_700_000_000_000
const SERIES = 400
const PLAIN: PlayedTenant[] = ['a', 'b'].map((name) => ({
  name,
  isRelabeled: false,
  ha: undefined,
}))

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
  const requests = new RehearsalRequests('/mimir/api/v1/push', SERIES, START, PLAIN)
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

/** Bodies of a scrape by tenant: their series' labels. */
function labelsByTenant(requests: RehearsalRequests): Map<string, Map<string, string>[][]> {
  const byTenant = new Map<string, Map<string, string>[][]>()
  for (let at = 0; at < requests.count; at++) {
    const request = requests.at(at)
    const tenant = /\r\nX-Scope-OrgID: (\S+)/.exec(request.toString('latin1'))![1]!
    const bodies = byTenant.get(tenant) ?? []
    const sets = [...samplesOf(request).keys()].map(
      (labels) => new Map((JSON.parse(labels) as Label[]).map(({ name, value }) => [name, value])),
    )
    byTenant.set(tenant, [...bodies, sets])
  }
  return byTenant
}

test('series make room for others that were not there before', () => {
  const requests = new RehearsalRequests('/mimir/api/v1/push', SERIES, START, PLAIN)
  const seen = new Set<string>()
  for (let scrape = 0; scrape < 100; scrape++) {
    const sent: string[] = []
    for (let at = 0; at < requests.count; at++) sent.push(...samplesOf(requests.at(at)).keys())
    assert.equal(new Set(sent).size, SERIES)
    for (const labels of sent) seen.add(labels)
    requests.next()
  }
  // More than twice of what a distributor's table of a tenant has room for at first.
  assert.ok(seen.size > 700, `${seen.size}`)
})

test('without limits nothing is said that limits look for', () => {
  const [soon] = playedTenants(new Limits(practiceLimits(testLimits())), true)
  assert.deepEqual(
    soon.map(({ ha, isRelabeled }) => [ha, isRelabeled]),
    [
      [undefined, false],
      [undefined, false],
    ],
  )
})

test('pairs and labels that are dropped come with the tenants that have limits for them', () => {
  const pairs = { accept_ha_samples: true, ha_cluster_label: 'zone', ha_replica_label: '__twin__' }
  const data = testLimits({}, { acme: { ...pairs, drop_labels: ['any'] } })
  const [soon, later] = playedTenants(new Limits(practiceLimits(data)), true)
  for (const tenants of [soon, later]) {
    const requests = new RehearsalRequests('/mimir/api/v1/push', SERIES, START, tenants)
    const [plain, limited] = [...labelsByTenant(requests).values()]
    const has = (name: string) => (labels: Map<string, string>) => labels.has(name)
    assert.ok(!plain!.flat().some((labels) => has('zone')(labels) || has('rehearsal')(labels)))
    const dropped = limited!.flat().filter(has('rehearsal')).length
    assert.ok(dropped > 0 && dropped < limited!.flat().length, 'some keep all that they have')
    assert.ok(limited!.flat().every((labels) => labels.get('zone') === 'rehearsal-one'))
    const replicas = limited!.map((body) => new Set(body.map((labels) => labels.get('__twin__'))))
    assert.ok(replicas.every(({ size }) => size === 1))
    const order = replicas.map((of) => [...of][0])
    assert.equal(order[0], 'elected', 'it is elected that comes first')
    assert.deepEqual(new Set(order), new Set(['elected', undefined, 'other']))
    assert.ok(order.filter((replica) => replica === 'elected').length > order.length / 2)
  }
  const [off] = playedTenants(new Limits(practiceLimits(data)), false)
  assert.ok(off.every(({ ha }) => ha === undefined))
})
