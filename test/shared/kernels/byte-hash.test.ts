/**
 * The hash that series are known by, as fingerprints of series of remote write 1.0 show it. Labels of
 * any bytes get an id: what is in them is looked at when they are defined.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import * as layout from '../../../src/shared/kernels/assembly/write-request-layout.js'
import { hashOfBytes } from './byte-hash.js'
import { field, Harness, sampleField } from './write-request-harness.js'

const LENGTH_MAX = 200
const sample = sampleField(1_700_000_000_000, 1)

/** A label field of n bytes, 2 at least, with random ones in it; 130 has none. */
function labelsOf(random: SeededPrng, n: number): Buffer {
  const inner = Buffer.alloc(n < 130 ? n - 2 : n - 3)
  random.fill(inner)
  return field(1, inner)
}

class Hashes {
  readonly kernel
  private readonly harness = new Harness()

  constructor() {
    this.kernel = this.harness.kernel
  }

  key(length: number): Buffer {
    const at = this.kernel.get(layout.HASH_KEY)
    return Buffer.from(this.kernel.bytes.slice(at, at + length + layout.KEY_SLACK_BYTES))
  }

  /** Ids of series of these labels, after `before`; what stands behind the body is `filler`. */
  walk(labels: readonly Buffer[], before: Uint8Array = Buffer.alloc(0), filler = 0): number[] {
    const { kernel, harness } = this
    const series = labels.map((one) => field(1, Buffer.concat([one, sample])))
    const body = Buffer.concat([before, ...series])
    kernel.bytes.fill(filler, kernel.body, kernel.body + body.length + layout.SLACK_BYTES)
    const tenant = harness.cache.open('acme', harness.limits)
    kernel.bytes.set(body, kernel.body)
    kernel.beginBody(body.length)
    kernel.set(layout.TENANT, tenant.record)
    const ids: number[] = []
    for (let code: number = layout.WALK_MORE; code !== layout.WALK_DONE; ) {
      kernel.beginChunk()
      code = kernel.exports.walk(kernel.context)
      while (code === layout.WALK_ROOM) {
        assert.ok(harness.cache.makeRoom(tenant))
        code = kernel.exports.walk(kernel.context)
      }
      assert.ok(code >= 0)
      const at = kernel.get(layout.COLUMN_IDS) >>> 2
      ids.push(...kernel.words.subarray(at, at + kernel.get(layout.SAMPLE_COUNT)))
    }
    return ids
  }

  fingerprint(id: number): Buffer {
    const at = this.kernel.get(layout.ID_FINGERPRINT) + id * 16
    return Buffer.from(this.kernel.bytes.slice(at, at + 16))
  }

  of(labels: readonly Buffer[]): Buffer[] {
    return this.walk(labels).map((id) => this.fingerprint(id))
  }
}

function lengths(): number[] {
  return Array.from({ length: LENGTH_MAX - 1 }, (_, i) => i + 2).filter((n) => n !== 130)
}

test('the hash of labels is the one that its definition says, for any length', () => {
  const hashes = new Hashes()
  const random = new SeededPrng(1)
  const all = [...lengths(), 255, 256, 257, 383, 384, 385, 1_000, 4_095, 65_536, 100_001]
  const texts = all.map((n) => labelsOf(random, n))
  // The largest products there are, and the largest sums.
  for (const byte of [0, 0x7f, 0x80, 0xff]) texts.push(field(1, Buffer.alloc(397, byte)))
  // Labels without a byte.
  const found = hashes.of([...texts, Buffer.alloc(0)])
  for (const [i, text] of [...texts, Buffer.alloc(0)].entries()) {
    const expected = hashOfBytes(text, hashes.key(text.length))
    assert.equal(found[i]!.toString('hex'), expected.toString('hex'), `${text.length} bytes`)
  }
})

test('a changed byte, wherever it is, changes all four words of the hash', () => {
  const hashes = new Hashes()
  const random = new SeededPrng(2)
  let changes = 0
  let same = 0
  for (const n of lengths()) {
    const text = labelsOf(random, n)
    const texts = [text]
    for (let at = n < 130 ? 2 : 3; at < n; at++) {
      const changed = Buffer.from(text)
      changed[at]! ^= 1 << (random.nextU32() & 7)
      texts.push(changed)
    }
    const [hash, ...others] = hashes.of(texts)
    const seen = new Set([hash!.toString('hex')])
    for (const other of others) {
      seen.add(other.toString('hex'))
      for (let at = 0; at < 16; at += 4) {
        changes++
        if (other.readUInt32LE(at) === hash!.readUInt32LE(at)) same++
      }
    }
    assert.equal(seen.size, texts.length)
  }
  // A word is the same by chance in one of 65,536 changes, or twice as often.
  assert.ok(changes > 70_000 && same <= 8, `${same} of ${changes}`)
})

test('equal labels are equal wherever they lie, and whatever follows them', () => {
  const hashes = new Hashes()
  const random = new SeededPrng(3)
  const texts = lengths().map((n) => labelsOf(random, n))
  const ids = hashes.walk(texts)
  assert.equal(new Set(ids).size, texts.length)
  for (let more = 0; more < 20; more++) {
    const before = field(9, Buffer.alloc(more * 7))
    assert.deepEqual(hashes.walk(texts, before, more * 13), ids)
    // The last of a body, by the table and not as foretold.
    const last = (more * 31) % texts.length
    assert.deepEqual(hashes.walk([texts[last]!], before, 255 - more), [ids[last]])
  }
})
