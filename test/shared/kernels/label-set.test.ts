/** Validation and canonical form of label sets, against the rules written out plainly. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fnv1 } from '../../../src/shared/base/fnv.js'
import { SeededPrng } from '../../../src/shared/base/prng.js'
import * as layout from '../../../src/shared/kernels/assembly/write-request-layout.js'
import { Limits } from '../../../src/shared/limits/index.js'
import { DISCARD_REASONS } from '../../../src/shared/wire/frames/index.js'
import { testLimits } from '../../support/limits.js'
import { below, Harness, labelField } from './write-request-harness.js'

const SEED = Number(process.env['SEED'] ?? 1)

type RawLabel = readonly [Buffer, Buffer]

/** A verdict: the reason, or the canonical bytes. */
type Verdict = string | Buffer

const harness = new Harness()
const { kernel } = harness

function ofKernel(labels: readonly RawLabel[], tenantHash = 0): Verdict {
  const fields = Buffer.concat(labels.map(([name, value]) => labelField(name as never, value)))
  kernel.bytes.set(fields, kernel.body)
  kernel.set(layout.TENANT_HASH, tenantHash)
  const code = kernel.exports.labelSet(kernel.context, kernel.body, fields.length, kernel.stage)
  if (code !== 0) return DISCARD_REASONS[code] ?? `code ${code}`
  return Buffer.from(kernel.bytes.slice(kernel.stage, kernel.stage + kernel.get(layout.SET_LENGTH)))
}

/** Mimir's order of checks (reference, distributor: per series). */
function ofRules(sent: readonly RawLabel[], scheme: 'legacy' | 'utf8'): Verdict {
  const labels = sent.filter(([, value]) => value.length > 0)
  const name = labels.find(([label]) => label.toString() === '__name__')
  if (name === undefined) return 'missing_metric_name'
  const legacy = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
  const isNameValid = scheme === 'utf8' ? isUtf8(name[1]) : legacy.test(name[1].toString('latin1'))
  if (!isNameValid) return 'metric_name_invalid'
  if (labels.length > 30) {
    const isInfo = name[1].toString('latin1').endsWith('_info')
    if (!isInfo) return 'max_label_names_per_series'
    if (labels.length > 80) return 'max_label_names_per_info_series'
  }
  labels.sort((a, b) => Buffer.compare(a[0], b[0]))
  for (const [index, [label, value]] of labels.entries()) {
    const isValid =
      scheme === 'utf8'
        ? label.length > 0 && isUtf8(label)
        : /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label.toString('latin1'))
    if (!isValid) return 'label_invalid'
    if (label.length > 1024) return 'label_name_too_long'
    if (!isUtf8(value)) return 'label_value_invalid'
    if (value.length > 2048) return 'label_value_too_long'
    if (index > 0 && labels[index - 1]![0].equals(label)) return 'duplicate_label_names'
  }
  const sized = (bytes: Buffer): Buffer[] =>
    bytes.length < 128
      ? [Buffer.from([bytes.length]), bytes]
      : [Buffer.from([(bytes.length & 127) | 128, bytes.length >> 7]), bytes]
  return Buffer.concat(labels.flatMap(([label, value]) => [...sized(label), ...sized(value)]))
}

function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

function randomLabels(random: SeededPrng): RawLabel[] {
  const labels: RawLabel[] = []
  const count = below(random, 20) === 0 ? below(random, 100) : below(random, 8)
  for (let i = 0; i < count; i++) labels.push([randomName(random), randomValue(random)])
  if (below(random, 6) > 0) {
    const name: RawLabel = [Buffer.from('__name__'), randomName(random)]
    labels.splice(below(random, labels.length + 1), 0, name)
  }
  return labels
}

function randomName(random: SeededPrng): Buffer {
  const kinds = ['job', 'instance', 'a', 'ab', '_x', 'target_info', '0bad', 'b-d', 'é', '', 'c:d']
  const kind = below(random, 30)
  if (kind < kinds.length) return Buffer.from(kinds[kind]!)
  if (kind === 28) return Buffer.alloc(1020 + below(random, 8), 0x61)
  if (kind >= 26) return longName(random)
  return Buffer.from(`label_${below(random, 200)}`)
}

/** Up to 40 bytes, most of them the same in all; one may be from where the ranges of letters and digits end. */
function longName(random: SeededPrng): Buffer {
  const name = Buffer.from('label_names_of_more_than_sixteen_bytes_42').subarray(
    0,
    1 + below(random, 41),
  )
  const bytes = Buffer.from(name)
  const edges = Buffer.from('/09:;@AZ[^_`az{\0\x7f\xe1', 'latin1')
  if (below(random, 2) === 0)
    bytes[below(random, bytes.length)] = edges[below(random, edges.length)]!
  return bytes
}

function randomValue(random: SeededPrng): Buffer {
  const kind = below(random, 13)
  if (kind === 12) return longName(random)
  if (kind === 0) return Buffer.alloc(0)
  if (kind === 1) return Buffer.alloc(2045 + below(random, 6), 0x62)
  if (kind < 5) {
    const bytes = Buffer.alloc(1 + below(random, 12))
    // Mostly from the ranges where UTF-8's rules are.
    for (let i = 0; i < bytes.length; i++) {
      bytes[i] = [0x41, 0x80, 0x9f, 0xa0, 0xbf, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xf5][
        below(random, 11)
      ]!
    }
    return bytes
  }
  return Buffer.from(['value', '日本語', '🙂 ok', 'x'.repeat(200), 'plain text é'][kind % 5]!)
}

for (const scheme of ['legacy', 'utf8'] as const) {
  test(`judges and writes label sets by the rules, ${scheme} names (seed ${SEED})`, () => {
    kernel.set(layout.NAMES_UTF8, scheme === 'utf8' ? 1 : 0)
    const random = new SeededPrng(SEED)
    const seen = new Map<string, number>()
    for (let round = 0; round < 8_000; round++) {
      const labels = randomLabels(random)
      const want = ofRules(labels, scheme)
      assert.deepEqual(ofKernel(labels), want, `round ${round}: ${labels.join(' ')}`)
      const kind = typeof want === 'string' ? want : 'fine'
      seen.set(kind, (seen.get(kind) ?? 0) + 1)
    }
    assert.ok(seen.size >= 9, `all verdicts come up: ${[...seen].join(' ')}`)
  })
}

test('knows well-formed UTF-8 of every length', () => {
  kernel.set(layout.NAMES_UTF8, 0)
  const name: RawLabel = [Buffer.from('__name__'), Buffer.from('m')]
  for (let first = 0x80; first < 0x100; first++) {
    for (const rest of [[], [0x80], [0xa0, 0x80], [0x90, 0x80, 0x80], [0x8f, 0xbf, 0xbf], [0x7f]]) {
      const value = Buffer.from([first, ...rest])
      const verdict = ofKernel([name, [Buffer.from('x'), value]])
      assert.equal(typeof verdict !== 'string', isUtf8(value), value.toString('hex'))
    }
  }
})

/** The hash that places series, written out with whole numbers. */
function placeHash(state: number, bytes: Buffer): number {
  let hash = (BigInt(state) << 32n) | BigInt(bytes.length)
  for (let at = 0; at < bytes.length; at += 8) {
    const word = Buffer.concat([bytes.subarray(at, at + 8), Buffer.alloc(8)]).readBigUInt64LE(0)
    const product = BigInt.asUintN(64, (hash ^ word) * 0x9e3779b97f4a7c15n)
    hash = product ^ (product >> 32n)
  }
  return Number(hash & 0xffffffffn)
}

test('hashes tenant, names and values in order, always to the same shard', () => {
  const state = fnv1(Buffer.from('acme'))
  const labels: RawLabel[] = [
    [Buffer.from('b'), Buffer.from('2')],
    [Buffer.from('__name__'), Buffer.from('up')],
  ]
  const canonical = ofKernel(labels, state)
  assert.ok(typeof canonical !== 'string')
  assert.equal(kernel.get(layout.SET_HASH), placeHash(state, canonical))
  // Of an earlier build: what it placed must be found again.
  assert.equal(kernel.get(layout.SET_HASH), 3057496755)
  ofKernel(labels, state + 1)
  assert.notEqual(kernel.get(layout.SET_HASH), 3057496755)
})

test('calls a label set malformed when a label is', () => {
  const cases = ['0a02', '0a020a05', '0a0108', '0a020a80', '0a03080101', '12020a00']
  for (const bytes of cases) {
    const fields = Buffer.from(bytes, 'hex')
    kernel.bytes.set(fields, kernel.body)
    const code = kernel.exports.labelSet(kernel.context, kernel.body, fields.length, kernel.stage)
    assert.equal(code, -1, bytes)
  }
})

test('bounds of more than a word allow what a word allows', () => {
  const limits = new Limits(testLimits()).defaults()
  kernel.setLimits({
    ...limits,
    max_label_names_per_series: 2 ** 32,
    max_label_name_length: 2 ** 32,
    max_label_value_length: 2 ** 32,
  })
  const labels = [labelOf('__name__', 'm'), labelOf('job', 'j')]
  const found = ofKernel(labels)
  kernel.setLimits(limits)
  assert.deepEqual(found, ofRules(labels, 'legacy'))
})

function labelOf(name: string, value: string): RawLabel {
  return [Buffer.from(name), Buffer.from(value)]
}
