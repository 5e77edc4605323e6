/** Log lines when nobody reads them, or not fast enough. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLineWriter } from '../../../src/shared/env/log-output.js'

/** A pipe that takes so many bytes; its clock stands until it is moved. */
function pipe(room: number) {
  const it = { room, now: 0, tries: 0, text: '' }
  const line = createLineWriter({
    now: () => it.now,
    write(bytes) {
      it.tries += 1
      if (it.room === 0) throw Object.assign(new Error('full'), { code: 'EAGAIN' })
      const taken = bytes.subarray(0, it.room)
      it.room -= taken.length
      it.text += taken.toString()
      return taken.length
    },
  })
  return { it, line }
}

/** Tries that writing some text takes. */
function triesOf({ it, line }: ReturnType<typeof pipe>, text: string): number {
  const before = it.tries
  line(text)
  return it.tries - before
}

test('a reader who is stuck costs one try a line after the first', () => {
  const stuck = pipe(0)
  const first = triesOf(stuck, 'a\n')
  assert.ok(first > 1, 'a moment of patience')
  for (let i = 0; i < 1_000; i++) {
    stuck.it.now += 5
    assert.equal(triesOf(stuck, 'b\n'), 1)
  }
  // One who takes lines again gets all of them, and patience a little later.
  stuck.it.room = 1_000
  assert.equal(triesOf(stuck, 'c\n'), 1)
  assert.equal(triesOf(stuck, 'd\n'), 1)
  stuck.it.room = 0
  stuck.it.now += 2_000
  assert.equal(triesOf(stuck, 'e\n'), first)
  assert.equal(stuck.it.text, 'c\nd\n')
})

test('a line that went half does not swallow the next', () => {
  const slow = pipe(4)
  slow.line('{"first":1}\n')
  assert.equal(slow.it.text, '{"fi')
  slow.it.room = 100
  slow.line('{"second":2}\n')
  slow.line('{"third":3}\n')
  assert.equal(slow.it.text, '{"fi\n{"second":2}\n{"third":3}\n')
})

test('a pipe that nobody has open is tried once', () => {
  let tries = 0
  const line = createLineWriter({
    now: () => 0,
    write() {
      tries += 1
      throw Object.assign(new Error('closed'), { code: 'EPIPE' })
    },
  })
  line('a\n')
  assert.equal(tries, 1)
})
