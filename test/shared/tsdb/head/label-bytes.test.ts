import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AppError } from '../../../../src/shared/errors/index.js'
import { labelsOf } from '../../../../src/shared/model/labels.js'
import { decodeLabels, encodeLabels } from '../../../../src/shared/tsdb/head/label-bytes.js'

test('labels come back from their bytes', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 })
  fc.assert(
    fc.property(fc.dictionary(text, text), (record) => {
      const labels = labelsOf(record)
      assert.deepEqual(decodeLabels(encodeLabels(labels)), labels)
    }),
    { seed: 4, numRuns: 200 },
  )
})

test('bytes that end early are refused', () => {
  const bytes = encodeLabels(labelsOf({ trace_id: 'x'.repeat(200), b: 'c' }))
  for (let length = 1; length < bytes.length; length++) {
    try {
      decodeLabels(bytes.subarray(0, length))
    } catch (error) {
      assert.ok(error instanceof AppError)
    }
  }
  assert.throws(() => decodeLabels(Uint8Array.of(5, 97)), AppError)
  assert.throws(() => decodeLabels(Uint8Array.of(255, 255, 255, 255, 255, 255)), AppError)
})
