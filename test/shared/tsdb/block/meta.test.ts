import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AppError } from '../../../../src/shared/errors/index.js'
import {
  type BlockMeta,
  decodeBlockMeta,
  encodeBlockMeta,
  isOutOfOrder,
  isUlid,
} from '../../../../src/shared/tsdb/index.js'
import { sharedPath } from '../../../support/shared-material.js'

const META: BlockMeta = {
  version: 1,
  ulid: '01M7ZZPHPZCHJZ23KFTRSA94TF',
  minTime: 0,
  maxTime: 7_200_000,
  stats: { numSamples: 3, numSeries: 2, numChunks: 2 },
  compaction: { level: 1, sources: ['01M7ZZPHPZCHJZ23KFTRSA94TF'] },
}

test('reads and writes again what Prometheus wrote, byte for byte', (t) => {
  const folder = sharedPath('conformance/blocks', t)
  if (folder === undefined) return
  let count = 0
  for (const path of readdirSync(folder, { recursive: true })) {
    if (!String(path).endsWith('meta.json')) continue
    const bytes: Buffer = readFileSync(join(folder, String(path)))
    assert.equal(String(encodeBlockMeta(decodeBlockMeta(bytes, String(path)))), String(bytes))
    count++
  }
  assert.ok(count >= 6, `${count} blocks`)
})

test('keeps fields that it does not know, and fills in what may be missing', () => {
  const text = JSON.stringify({ ...META, stats: {}, thanos: { extensions: { a: 1 } }, other: [1] })
  const meta = decodeBlockMeta(Buffer.from(text), 'x')
  assert.deepEqual(meta.stats, { numSamples: 0, numSeries: 0, numChunks: 0 })
  assert.deepEqual(meta.thanos?.labels, {})
  const again = JSON.parse(String(encodeBlockMeta(meta)))
  assert.deepEqual(again.other, [1])
  assert.deepEqual(again.thanos.extensions, { a: 1 })
})

test('refuses what is no meta.json of version 1', () => {
  const broken = [
    '{',
    'null',
    JSON.stringify({ ...META, version: 2 }),
    JSON.stringify({ ...META, ulid: '../../etc' }),
    JSON.stringify({ ...META, minTime: '0' }),
    JSON.stringify({ ...META, minTime: 8_000_000 }),
  ]
  for (const text of broken) {
    assert.throws(
      () => decodeBlockMeta(Buffer.from(text), 'tenant/block'),
      (error) =>
        error instanceof AppError &&
        error.id === 'block-damaged' &&
        /tenant\/block/.test(error.message),
      text,
    )
  }
})

test('knows a block of late samples by its hint or its label', () => {
  assert.equal(isOutOfOrder(META), false)
  const hinted = { ...META.compaction, hints: ['from-out-of-order'] }
  assert.equal(isOutOfOrder({ ...META, compaction: hinted }), true)
  const labels = { __out_of_order__: 'true' }
  const thanos = { labels, downsample: { resolution: 0 }, source: 'receive' }
  assert.equal(isOutOfOrder({ ...META, thanos }), true)
})

test('knows a ULID from other names', () => {
  assert.equal(isUlid(META.ulid), true)
  for (const name of [
    '',
    'markers',
    META.ulid.toLowerCase(),
    `${META.ulid}0`,
    `8${META.ulid.slice(1)}`,
  ])
    assert.equal(isUlid(name), false, name)
})
