import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog, type LogLevel } from '../../../src/shared/telemetry/index.js'

function recording(levelMin: LogLevel = 'debug') {
  const lines: string[] = []
  const time = { now: 1_700_000_000_000 }
  const log = createLog({ write: (line) => lines.push(line), now: () => time.now, levelMin })
  return { lines, time, log }
}

test('writes logfmt with bound fields first and quotes what needs it', () => {
  const { lines, log } = recording()
  log.with({ actor: 'ingester/0' }).warn('segment set aside', {
    path: '/data/wal 1',
    took_ms: 1.5,
    isLast: true,
    nothing: undefined,
    quote: 'a"b\n=',
    empty: '',
    umlaut: 'grün',
  })
  assert.deepEqual(lines, [
    'ts=2023-11-14T22:13:20.000Z level=warn actor=ingester/0 msg="segment set aside" ' +
      'path="/data/wal 1" took_ms=1.5 isLast=true quote="a\\"b\\n=" empty="" umlaut=grün\n',
  ])
})

test('leaves out lines below the level', () => {
  const { lines, log } = recording('warn')
  log.debug('a')
  log.info('b')
  log.error('c')
  assert.equal(lines.length, 1)
})

test('holds repeats back within the window, and counts them on the next line', () => {
  const { lines, time, log } = recording()
  for (let at = 0; at < 35; at++) log.warn('bucket down', { attempt: at })
  log.warn('other')
  assert.equal(lines.length, 11)
  time.now += 10_000
  log.warn('bucket down', { attempt: 99 })
  assert.match(lines[11]!, /attempt=99 repeats_held_back=25\n$/)
  log.warn('bucket down')
  assert.ok(!lines[12]!.includes('repeats_held_back'))
})

test('cuts values that are far too long', () => {
  const { lines, log } = recording()
  log.info('x', { body: 'y'.repeat(5_000) })
  assert.ok(lines[0]!.length < 2_200)
})

test('writes lines that all count in few writes, none of them held back', () => {
  const { lines, log } = recording()
  log.with({ actor: 'main' }).records(Array.from({ length: 20 }, (_, n) => ['query stats', { n }]))
  assert.equal(lines.length, 1)
  const parts = lines[0]!.split('\n')
  assert.equal(parts.length, 21)
  assert.equal(
    parts[19],
    'ts=2023-11-14T22:13:20.000Z level=info actor=main msg="query stats" n=19',
  )
  log.records(Array.from({ length: 20 }, () => ['query stats', { text: 'y'.repeat(1_900) }]))
  assert.ok(lines.length > 2)
  assert.ok(lines.every((line) => line.endsWith('\n') && line.length < 20_000))
  const quiet = recording('warn')
  quiet.log.records([['query stats', {}]])
  assert.deepEqual(quiet.lines, [])
})
