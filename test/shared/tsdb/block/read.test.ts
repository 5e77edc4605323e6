/** Reading blocks that a real Prometheus wrote: matchers, labels, ranges, headers, damage. */
import assert from 'node:assert/strict'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { nodeDisk } from '../../../../src/shared/env/node-disk.js'
import { AppError } from '../../../../src/shared/errors/index.js'
import type { Labels } from '../../../../src/shared/model/labels.js'
import type { Matcher } from '../../../../src/shared/model/matcher.js'
import {
  type BlockFile,
  encodeIndexHeader,
  openBlock,
  openIndex,
  openLocalFile,
  selectRefs,
  writeIndexHeader,
} from '../../../../src/shared/tsdb/index.js'
import { allSeries, fixtureBlocks, scratchFolder } from '../../../support/blocks.js'

const disk = nodeDisk()

function valueFor(labels: Labels, name: string): string {
  return labels.find((label) => label.name === name)?.value ?? ''
}

/** A file with a count of its reads. */
function counted(file: BlockFile): BlockFile & { reads: [number, number][] } {
  const reads: [number, number][] = []
  return {
    size: file.size,
    reads,
    read: (offset, bytes) => {
      reads.push([offset, bytes])
      return file.read(offset, bytes)
    },
  }
}

test('selects by matchers what a scan of all series selects', async (t) => {
  const cases: Matcher[][] = [
    [],
    [{ name: '__name__', op: '=~', value: '.+' }],
    [{ name: '__name__', op: '=~', value: 'no.*such' }],
    [{ name: '__name__', op: '!~', value: '.*_total' }],
    [{ name: 'instance', op: '!=', value: '' }],
    [{ name: 'instance', op: '=', value: '' }],
    [{ name: 'le', op: '=~', value: '|1|\\+Inf' }],
    [{ name: 'le', op: '!~', value: '0.*|1' }],
    [
      { name: '__name__', op: '!=', value: 'x' },
      { name: 'job', op: '=~', value: '[a-z]+.*' },
    ],
    [{ name: 'kind', op: '=~', value: 's.*' }],
    [{ name: 'missing', op: '!=', value: 'x' }],
  ]
  let matched = 0
  for (const folder of fixtureBlocks(t)) {
    const block = await openBlock(disk, folder)
    t.after(() => block.close())
    const all = await allSeries(block)
    assert.equal(all.length, block.meta.stats.numSeries)
    for (const matchers of cases) {
      const expected = all.filter((series) =>
        matchers.every(({ name, op, value }) => {
          const actual = valueFor(series.labels, name)
          const is = op.endsWith('~')
            ? new RegExp(`^(?:${value})$`, 's').test(actual)
            : actual === value
          return is === (op === '=' || op === '=~')
        }),
      )
      const found = await selectRefs(block.index, matchers)
      assert.deepEqual(
        [...found],
        expected.map((series) => series.ref),
        JSON.stringify(matchers),
      )
      matched += found.length
    }
  }
  assert.ok(matched > 100, `${matched} series matched`)
})

test('gives label names, values and postings as the series have them', async (t) => {
  for (const folder of fixtureBlocks(t)) {
    const block = await openBlock(disk, folder)
    t.after(() => block.close())
    const byName = new Map<string, Map<string, number[]>>()
    for (const { ref, labels } of await allSeries(block)) {
      for (const { name, value } of labels) {
        const values = byName.get(name) ?? new Map<string, number[]>()
        byName.set(name, values)
        values.set(value, [...(values.get(value) ?? []), ref])
      }
    }
    const { index } = block
    assert.deepEqual(index.labelNames(), [...byName.keys()].sort(byBytes))
    for (const [name, values] of byName) {
      assert.deepEqual(await index.labelValues(name), [...values.keys()].sort(byBytes))
      assert.equal(index.valueCount(name), values.size)
      for (const [value, refs] of values) {
        assert.deepEqual([...(await index.postings(name, value))], refs, `${name}=${value}`)
      }
      assert.equal((await index.postings(name, 'no such value')).length, 0)
    }
    assert.deepEqual(await index.labelValues('no such name'), [])
  }
})

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

test('leaves out chunks without samples in the range and keeps their series', async (t) => {
  for (const folder of fixtureBlocks(t)) {
    const block = await openBlock(disk, folder)
    t.after(() => block.close())
    const refs = await block.index.allPostings()
    const all = await block.index.series(refs)
    const middle = (block.meta.minTime + block.meta.maxTime) / 2
    const some = await block.index.series(refs, { mint: middle, maxt: middle + 60_000 })
    const wanted = [...all.mints.keys()].filter(
      (i) => all.mints[i]! <= middle + 60_000 && all.maxts[i]! >= middle,
    )
    assert.equal(some.count, all.count)
    assert.deepEqual(some.labelEnds, all.labelEnds)
    assert.deepEqual(
      [...some.offsets],
      wanted.map((i) => all.offsets[i]!),
    )
  }
})

test('answers the same from a saved header, and reads only what it needs', async (t) => {
  const folder = scratchFolder()
  for (const [number, source] of fixtureBlocks(t).entries()) {
    const file = openLocalFile(disk, join(source, 'index'))
    t.after(() => file.close())
    const path = join(folder, `header-${number}`)
    const written = await writeIndexHeader(disk, path, file, 'B')
    const header = openLocalFile(disk, path)
    t.after(() => header.close())
    const far = counted(file)
    const index = await openIndex(far, { block: 'B', header })
    assert.deepEqual(far.reads, [], 'opening reads the header alone')
    assert.deepEqual(
      Buffer.from(encodeIndexHeader(index.header)),
      Buffer.from(encodeIndexHeader(written)),
    )
    const near = await openIndex(file, { block: 'B' })
    for (const name of near.labelNames()) {
      assert.deepEqual(await index.labelValues(name), await near.labelValues(name))
    }
    assert.deepEqual(far.reads, [], 'values are read off the copied tables')
    const refs = await index.allPostings()
    assert.deepEqual(refs, await near.allPostings())
    const series = await index.series(refs)
    assert.deepEqual(series, await near.series(refs))
    assert.deepEqual(await index.symbols(series.symbols), await near.symbols(series.symbols))
    assert.equal(far.reads.length, 2, 'one read for the postings, one for all series')
  }
})

test('refuses a header that is of another index, damaged or cut', async (t) => {
  const folder = scratchFolder()
  const [first, second] = fixtureBlocks(t)
  if (first === undefined || second === undefined) return
  const file = openLocalFile(disk, join(first, 'index'))
  const other = openLocalFile(disk, join(second, 'index'))
  t.after(() => file.close())
  t.after(() => other.close())
  const path = join(folder, 'header')
  await writeIndexHeader(disk, path, other, 'B')
  const bytes = readFileSync(path)
  await assert.rejects(openIndex(file, { block: 'B', header: memoryFile(bytes) }), isDamaged)
  const trailerAt = bytes.length - 16
  const bodyAt = trailerAt - bytes.readUInt32BE(trailerAt)
  for (let at = bodyAt; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes)
    flipped[at]! ^= 1 << (at % 8)
    const header = memoryFile(flipped)
    await assert.rejects(openIndex(other, { block: 'B', header }), isDamaged, `byte ${at}`)
  }
  for (const size of [0, 1, 15, 16, 100, bytes.length - 1]) {
    const header = memoryFile(bytes.subarray(0, size))
    await assert.rejects(openIndex(other, { block: 'B', header }), isDamaged, `${size} bytes`)
  }
})

function memoryFile(bytes: Uint8Array): BlockFile {
  return {
    size: bytes.length,
    read: async (offset, size) => bytes.subarray(offset, offset + size),
  }
}

function isDamaged(error: unknown): boolean {
  assert.ok(error instanceof AppError, String(error))
  assert.equal(error.id, 'block-damaged', error.message)
  assert.match(error.message, /^block \S+ is damaged in (index|index-header|chunks|meta|tomb)/)
  return true
}

test('finds every flipped bit that a checksum covers, and survives the others', async (t) => {
  const folder = scratchFolder()
  const prng = new SeededPrng(7)
  const sources = fixtureBlocks(t)
  const intact = new Map<string, string>()
  let found = 0
  for (let round = 0; round < 400 && sources.length > 0; round++) {
    const source = sources[round % sources.length]!
    const name = source.slice(-26)
    const copy = join(folder, name)
    cpSync(source, copy, { recursive: true })
    const whole = intact.get(name) ?? (await contents(copy))
    intact.set(name, whole)
    const file = join(copy, ['index', 'index', 'chunks/000001', 'tombstones'][prng.nextU32() % 4]!)
    const bytes = readFileSync(file)
    const isCut = prng.nextU32() % 4 === 0
    const at = prng.nextU32() % bytes.length
    if (!isCut) bytes[at]! ^= 1 << (prng.nextU32() % 8)
    writeFileSync(file, isCut ? bytes.subarray(0, at) : bytes)
    try {
      // What no checksum covers is not read either: padding, label indices, unused sections.
      assert.equal(await contents(copy), whole, `round ${round}: ${file} at ${at}, cut ${isCut}`)
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
      isDamaged(error)
      found++
    }
    rmSync(copy, { recursive: true })
  }
  if (sources.length > 0) assert.ok(found > 300, `${found} of 400 found`)
})

/** All that can be read of a block, as text. */
async function contents(folder: string): Promise<string> {
  const block = await openBlock(disk, folder)
  try {
    const parts: string[] = []
    for (const name of block.index.labelNames()) {
      for (const value of await block.index.labelValues(name)) {
        parts.push(`${name}=${value}:${(await block.index.postings(name, value)).join()}`)
      }
    }
    for (const series of await allSeries(block)) {
      parts.push(JSON.stringify([series.labels, series.deleted]))
      for (const { mint, maxt, encoding, data } of series.chunks) {
        parts.push(`${mint} ${maxt} ${encoding} ${Buffer.from(data).toString('base64')}`)
      }
    }
    return parts.join('\n')
  } finally {
    block.close()
  }
}
