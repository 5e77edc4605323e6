/** Prometheus' text format: what lines become, and how bad ones are told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseExposition } from '../../../../src/shared/wire/exposition/index.js'
import { decodeWriteRequest } from '../../../../src/shared/wire/remote-write/index.js'

const NOW = 1_700_000_000_000

function parse(text: string, extraLabels: string[] = []) {
  const bytes = Buffer.from(text).toString('latin1')
  const options = { now: NOW, bytesMax: 1 << 24, extraLabels }
  const { pieces, badLines, badText } = parseExposition(bytes, options)
  const requests = pieces.map((piece) => decodeWriteRequest(piece))
  return {
    badLines,
    badText,
    metadata: requests.flatMap(({ metadata }) => metadata),
    series: requests.flatMap(({ series }) =>
      series.map(({ labels, times, values }) => {
        const named = labels.map(({ name, value }) => `${name}=${value}`).join(',')
        const value = new Float64Array(new BigUint64Array([values[0]!]).buffer)[0]!
        return `${named} ${value} ${times[0]}`
      }),
    ),
  }
}

test('reads samples, times, escapes, quoted names, comments and metadata', () => {
  const text = [
    '# HELP http_requests_total Requests,\\n all.',
    '# TYPE http_requests_total counter',
    'http_requests_total{method="post",path="a\\"b\\\\c\\nd",} 1027 1395066363000',
    'up 1',
    '  metric_without_timestamp_and_labels 12.47  ',
    'x { a = "b" , c="" } +Inf -5',
    '{"grün.name", a="ü"} -1.5e-3',
    'h_bucket{le="0.5"} 3 # {trace_id="abc"} 0.4',
    'nothing NaN',
    '# just a comment',
    '',
  ].join('\n')
  const { series, metadata } = parse(text)
  assert.deepEqual(series, [
    '__name__=http_requests_total,method=post,path=a"b\\c\nd 1027 1395066363000',
    `__name__=up 1 ${NOW}`,
    `__name__=metric_without_timestamp_and_labels 12.47 ${NOW}`,
    '__name__=x,a=b,c= Infinity -5',
    `__name__=grün.name,a=ü -0.0015 ${NOW}`,
    `__name__=h_bucket,le=0.5 3 ${NOW}`,
    `__name__=nothing NaN ${NOW}`,
  ])
  const help = 'Requests,\n all.'
  assert.deepEqual(metadata, [{ type: 1, metric: 'http_requests_total', help, unit: '' }])
})

test('adds labels of the request, in place of those of the line', () => {
  const { series } = parse('up{job="a"} 1', ['job', 'b', 'env', 'x'])
  assert.deepEqual(series, [`__name__=up,job=b,env=x 1 ${NOW}`])
})

const bad: [string, RegExp][] = [
  ['up 1\nup', /^line 2: no value in "up"/],
  ['up{a="b" 1', /^line 1: the labels do not end/],
  ['up{a=b} 1', /^line 1: label a without a quoted value/],
  ['up{a="b} 1', /^line 1: a quoted text does not end/],
  ['up one', /^line 1: not a value: one/],
  ['up 1 2 3', /^line 1: more behind the time: 3/],
  ['up 1 1.5', /^line 1: not a time: 1.5/],
  ['{a="b"} 1', /^line 1: no metric name/],
  ['1up 1', /^line 1: no metric name/],
]

for (const [text, wanted] of bad) {
  test(`leaves out and tells the bad line of ${JSON.stringify(text)}`, () => {
    const { series, badLines, badText } = parse(`${text}\nlast 1`)
    assert.match(badText, wanted)
    assert.equal(badLines, 1)
    assert.equal(series.at(-1), `__name__=last 1 ${NOW}`)
    assert.equal(series.length, text.split('\n').length)
  })
}

test('a large body comes in pieces of whole series', () => {
  const lines = Array.from(
    { length: 60_000 },
    (_, i) => `m{i="${i}",pad="${'x'.repeat(100)}"} ${i}`,
  )
  const bytes = lines.join('\n')
  const { pieces, items } = parseExposition(bytes, { now: NOW, bytesMax: 1 << 26 })
  assert.equal(items, 60_000)
  assert.ok(pieces.length > 1)
  const count = pieces.reduce((sum, piece) => sum + decodeWriteRequest(piece).series.length, 0)
  assert.equal(count, 60_000)
})
