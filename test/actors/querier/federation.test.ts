/** Several tenants read as one. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { QuerierQuery } from '../../../src/actors/querier/contract.js'
import type { Querier } from '../../../src/actors/querier/querier.js'
import { labelsOf } from '../../../src/shared/model/labels.js'
import { createFakeEnv } from '../../support/fake-env.js'
import { createTestQuerier, TestShard, taskOf, textOf } from '../../support/querier.js'

const ALL = { mint: 0, maxt: 1e12, limit: 0 }

function instant(text: string): QuerierQuery {
  return { kind: 'query', text, atMs: 60_000, lookbackMs: 0, limit: 0 }
}

function filled(): TestShard {
  const shard = new TestShard()
  const up = (tenant: string, value: number, more = {}): void =>
    shard.append(tenant, labelsOf({ __name__: 'up', job: 'j', ...more }), [60_000, value])
  up('a', 1)
  up('b', 2)
  up('b', 3, { __tenant_id__: 'was there' })
  up('c', 4)
  shard.append('b', labelsOf({ __name__: 'only_b', own: 'x' }), [60_000, 9])
  return shard
}

async function ask(querier: Querier, tenant: string, query: QuerierQuery): Promise<unknown> {
  return (JSON.parse(textOf(await querier.run(taskOf(tenant, query)))) as { data: unknown }).data
}

describe('tenant federation', () => {
  const querier = createTestQuerier(createFakeEnv(), [filled(), new TestShard()])

  const rows = async (tenant: string, text: string): Promise<string[]> => {
    const data = (await ask(querier, tenant, instant(text))) as {
      result: { metric: Record<string, string>; value: [number, string] }[]
    }
    return data.result.map(({ metric, value }) => `${JSON.stringify(metric)} ${value[1]}`).sort()
  }

  test('every series says whose it is; a label of that name is kept under another', async () => {
    assert.deepEqual(
      await rows('a|b', 'up'),
      [
        '{"__name__":"up","__tenant_id__":"a","job":"j"} 1',
        '{"__name__":"up","__tenant_id__":"b","job":"j","original___tenant_id__":"was there"} 3',
        '{"__name__":"up","__tenant_id__":"b","job":"j"} 2',
      ].sort(),
    )
    assert.deepEqual(await rows('a|b|c', 'sum by (__tenant_id__) (up)'), [
      '{"__tenant_id__":"a"} 1',
      '{"__tenant_id__":"b"} 5',
      '{"__tenant_id__":"c"} 4',
    ])
  })

  test('matchers on the tenant choose who is read', async () => {
    assert.deepEqual(await rows('a|b|c', 'sum(up{__tenant_id__="a"})'), ['{} 1'])
    assert.deepEqual(await rows('a|b|c', 'sum(up{__tenant_id__=~"a|c"})'), ['{} 5'])
    assert.deepEqual(await rows('a|b|c', 'sum(up{__tenant_id__!="b"})'), ['{} 5'])
    assert.deepEqual(await rows('a|b|c', 'sum(up{__tenant_id__!~"[ab]"})'), ['{} 4'])
    assert.deepEqual(await rows('a|b', 'sum(up{__tenant_id__="c"})'), [], 'not of this request')
    assert.deepEqual(await rows('a|b', 'sum(up{original___tenant_id__=~"was.*"})'), ['{} 3'])
  })

  test('one tenant alone has no label more', async () => {
    assert.deepEqual(await rows('a', 'up'), ['{"__name__":"up","job":"j"} 1'])
  })

  test('label names and values are those of all, and the tenants', async () => {
    const names = await ask(querier, 'a|b', { kind: 'label-names', matchers: [], ...ALL })
    const stored = ['__name__', '__tenant_id__', 'job', 'original___tenant_id__', 'own']
    assert.deepEqual(names, stored)
    const values = (name: string, matchers: string[] = []) =>
      ask(querier, 'a|b', { kind: 'label-values', name, matchers, ...ALL })
    assert.deepEqual(await values('__tenant_id__'), ['a', 'b'])
    assert.deepEqual(await values('original___tenant_id__'), ['was there'])
    assert.deepEqual(await values('__name__'), ['only_b', 'up'])
    assert.deepEqual(await values('__name__', ['{__tenant_id__="a"}']), ['up'])
    assert.deepEqual(await values('__tenant_id__', ['only_b']), ['b'])
  })

  test('series are those of all', async () => {
    const query = { kind: 'series', matchers: ['{own="x"}'], ...ALL } as const
    assert.deepEqual(await ask(querier, 'a|b|c', query), [
      { __name__: 'only_b', __tenant_id__: 'b', own: 'x' },
    ])
  })
})
