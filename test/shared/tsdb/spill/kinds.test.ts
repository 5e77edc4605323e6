/**
 * Chunks of every kind in chunk files. What a head without chunk files gives is what must come back.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DamageNotes, retireHead } from '../../../../src/shared/tsdb/index.js'
import { EVER, FLOATS, histogramOf, isLate, KindsBed, SAMPLES, SERIES, STEP } from './kinds-bed.js'

/** Samples that the head was given, by series. */
function givenCount(series: number): number {
  let late = 0
  for (let i = 1; i <= SAMPLES; i++) if (isLate(series, i)) late++
  return SAMPLES + late
}

test('chunks of every kind are read from files as from memory', () => {
  const bed = new KindsBed()
  bed.freeze()
  const wanted = bed.everything()
  const whole = bed.snapshot('data/a')
  for (let series = 0; series < SERIES; series++) {
    assert.equal(bed.read(series).length, givenCount(series), `series ${series}`)
  }
  for (const before of [STEP * 100, STEP * 260, Number.POSITIVE_INFINITY]) {
    bed.spill(before)
    assert.deepEqual(bed.everything(), wanted)
  }
  // Floats: two closed chunks and all frozen ones of 32 samples; of histograms each late one.
  const late = (from: number, to: number, size: number): number => {
    let count = 0
    for (let s = from; s < to; s++) count += Math.ceil((givenCount(s) - SAMPLES) / size)
    return count
  }
  const chunks = bed.spiller.chunksSpilled()
  const least = late(0, FLOATS, 32) + late(FLOATS, SERIES, 1) + SERIES
  assert.ok(chunks >= least, `${chunks} chunks, at least ${least}`)
  const other = new KindsBed()
  other.freeze()
  other.spill()
  assert.equal(other.snapshot('data/b'), whole)
  assert.deepEqual([...bed.damaged, ...other.damaged], [])
})

test('a slice may end in the middle of a series', () => {
  const wanted = new KindsBed().everything()
  for (const sliceBytes of [1_500, 7_000]) {
    const bed = new KindsBed(sliceBytes)
    bed.spill()
    assert.deepEqual(bed.everything(), wanted, `slices of ${sliceBytes}`)
    assert.ok(bed.spiller.chunksSpilled() > SERIES)
  }
})

test('files go when what was frozen and what is old is dropped from the head', () => {
  const bed = new KindsBed()
  bed.freeze()
  bed.spill()
  const { head, spiller } = bed
  for (let ref = 0; ref < SERIES; ref++) {
    head.kernel.truncateLate(ref)
    assert.equal(bed.read(ref).length, SAMPLES)
    assert.equal(head.kernel.truncateSeries(ref, STEP * SAMPLES + 1), 1)
    assert.deepEqual(bed.read(ref), [])
  }
  spiller.collect()
  assert.deepEqual(bed.files(), [])
})

test('a histogram that comes again is known in a chunk file too', () => {
  const bed = new KindsBed()
  bed.spill()
  const check = (series: number, i: number, t: number): string =>
    bed.head.histograms.check(series, t, histogramOf(series, i), {
      ...EVER,
      outOfOrder: Number.POSITIVE_INFINITY,
    })
  assert.equal(check(FLOATS + 3, 50, 50 * STEP), 'repeated')
  assert.equal(check(FLOATS + 3, 51, 50 * STEP), 'out-of-order')
  assert.ok(isLate(FLOATS, 60))
  assert.equal(check(FLOATS, 60, 60 * STEP - 5_000), 'repeated')
})

test('a damaged chunk of histograms or of late samples is named and taken for no other', () => {
  const bed = new KindsBed()
  bed.spill()
  const [path] = bed.files()
  const file = bed.disk.open(path!, 'update')
  const bytes = bed.disk.readFile(path!)
  const notes = new DamageNotes(bed.head.view)
  const wanted = Array.from({ length: SERIES }, (_, ref) => bed.read(ref))
  const seen = new Set<number>()
  const step = Math.floor(bytes.length / 13)
  for (let position = 40; position < bytes.length; position += step) {
    file.write(Uint8Array.of(bytes[position]! ^ 32), position)
    bed.reader.close()
    let failed = 0
    for (let ref = 0; ref < SERIES; ref++) {
      try {
        assert.deepEqual(bed.read(ref), wanted[ref])
      } catch (error) {
        assert.match(String(error), /is damaged at/)
        failed++
        seen.add(ref)
      }
    }
    assert.equal(failed, 1, `byte ${position}`)
    const [note] = notes.take()
    assert.ok(note!.offset <= position && position < note!.offset + note!.bytes)
    assert.ok(note!.mint > 0 && note!.mint <= note!.maxt && note!.maxt <= STEP * SAMPLES)
    file.write(Uint8Array.of(bytes[position]!), position)
  }
  assert.ok([...seen].some((ref) => ref < FLOATS) && [...seen].some((ref) => ref >= FLOATS))
  bed.disk.remove(path!)
  bed.reader.close()
  assert.throws(() => bed.read(FLOATS), /is damaged at/)
  // The owner looks for a histogram there: it is not known, and the shard goes on.
  const t = 50 * STEP
  assert.equal(bed.head.histograms.check(FLOATS + 3, t, histogramOf(FLOATS + 3, 50), EVER), 'late')
  assert.equal(bed.damaged.length, 1)
})

test('files that went with the owner of the head are no damage, but a reason to ask again', () => {
  const bed = new KindsBed()
  bed.spill()
  const notes = new DamageNotes(bed.head.view)
  bed.disk.remove(bed.files()[0]!)
  retireHead(bed.head.view.memory)
  assert.throws(() => bed.read(FLOATS), { id: 'actor-down' })
  assert.deepEqual(notes.take(), [])
})
