/** Frames come out as they went in, from ordinary and from shared memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ACK_BYTES_MAX,
  ACK_REJECTED,
  answerFrameBytes,
  bodyFrameBytes,
  cutText,
  decodeAck,
  decodeAnswer,
  decodeBody,
  decodeMetadataFrame,
  encodeAck,
  encodeAnswer,
  encodeBody,
  encodeMetadata,
} from '../../../../src/shared/wire/frames/index.js'

const AT = 64

for (const memory of ['ordinary', 'shared'] as const) {
  const data = new Uint8Array(
    memory === 'shared' ? new SharedArrayBuffer(8_192) : new ArrayBuffer(8_192),
  )

  test(`a body of several pieces, ${memory} memory`, () => {
    const tenant = Buffer.from('team-a')
    const pieces = [Buffer.from('one'), Buffer.from(''), Buffer.from('three')]
    encodeBody(data, AT, { requestId: 7, flags: 3, tenant, bodyBytes: 8 }, pieces)
    const { bodyAt, bodyLength, ...head } = decodeBody(data, AT)
    assert.deepEqual(head, { requestId: 7, flags: 3, tenant: 'team-a' })
    assert.equal(Buffer.from(data.slice(bodyAt, bodyAt + bodyLength)).toString(), 'onethree')
    assert.equal(bodyAt + bodyLength - AT, bodyFrameBytes(tenant.length, 8))
  })

  test(`tenants by turns, some of one hash, ${memory} memory`, () => {
    for (const name of ['t0f9cikc', 't05jqul2', 'a', '', 't05jqul2', 't0f9cikc', 'a', 'b', 'a']) {
      encodeBody(data, AT, { requestId: 1, flags: 0, tenant: Buffer.from(name), bodyBytes: 0 }, [])
      assert.equal(decodeBody(data, AT).tenant, name)
    }
  })

  test(`an answer, ${memory} memory`, () => {
    const text = Buffer.from('zu spät')
    const written = { samples: 5, histograms: 6, exemplars: 7 }
    const answer = { requestId: 0xffffffff, status: 503, retryable: true, written, rejected: 8 }
    encodeAnswer(data, AT, answer, text)
    assert.deepEqual(decodeAnswer(data, AT), { ...answer, text: 'zu spät' })
    assert.equal(answerFrameBytes(text), 32 + 8)
  })

  test(`an ack, ${memory} memory`, () => {
    const ack = { requestId: 1, status: ACK_REJECTED, reasons: [[1, 5] as const], text: 'no' }
    data.set(encodeAck(ack), AT)
    assert.deepEqual(decodeAck(data, AT), ack)
  })

  test(`metadata, ${memory} memory`, () => {
    const records = [
      { type: 1, metric: 'a_total', help: 'Größe', unit: '' },
      { type: 0, metric: 'b', help: '', unit: 'bytes' },
    ]
    data.set(encodeMetadata({ requestId: 9, tenant: 'acme', records }), AT)
    assert.deepEqual(decodeMetadataFrame(data, AT), { requestId: 9, tenant: 'acme', records })
  })
}

test('an ack never exceeds its bound, whatever the text', () => {
  const reasons = Array.from({ length: 40 }, (_, i) => [i, i] as const)
  const bytes = encodeAck({ requestId: 1, status: 1, reasons, text: 'ü'.repeat(2_000) })
  assert.ok(bytes.length <= ACK_BYTES_MAX)
  assert.match(decodeAck(bytes, 0).text, /^ü+$/)
})

test('cuts a text at a character', () => {
  assert.equal(Buffer.from(cutText('aü', 2)).toString(), 'a')
  assert.equal(Buffer.from(cutText('aü', 3)).toString(), 'aü')
  assert.equal(Buffer.from(cutText('🙂', 3)).toString(), '')
})
