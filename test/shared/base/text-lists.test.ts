/** Lists are found by name and state alone, and do not add up without end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TextLists } from '../../../src/shared/base/text-lists.js'

test('a list is found as long as its state is the same', () => {
  const lists = new TextLists()
  lists.keep('names', 2, ['a', 'b'])
  assert.deepEqual(lists.find('names', 2), ['a', 'b'])
  assert.equal(lists.find('names', 4), undefined)
  assert.equal(lists.find('values', 2), undefined)
  lists.keep('names', 4, ['a'])
  assert.equal(lists.find('names', 2), undefined)
  assert.deepEqual(lists.find('names', 4), ['a'])
})

test('the list kept longest ago makes room, and what is too long is not kept', () => {
  const lists = new TextLists()
  const long = 'x'.repeat(400_000)
  lists.keep('first', 0, [long])
  lists.keep('second', 0, [long])
  lists.keep('third', 0, [long])
  assert.equal(lists.find('first', 0), undefined)
  assert.deepEqual(lists.find('second', 0), [long])
  assert.deepEqual(lists.find('third', 0), [long])
  lists.keep('third', 0, [long, long, long])
  assert.equal(lists.find('third', 0), undefined)
  assert.deepEqual(lists.find('second', 0), [long])
})
