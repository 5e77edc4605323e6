/** OTLP in JSON: what protobufjs reads of the message that is made of it, and what is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededPrng } from '../../../../src/shared/base/prng.js'
import { AppError } from '../../../../src/shared/errors/index.js'
import { encodeJsonRequest } from '../../../../src/shared/wire/otlp/index.js'
import { root } from '../../../support/otlp.js'

const MOST = 1 << 20
const Request = root.lookupType('Request')

function encode(json: string | Uint8Array, most = MOST): Uint8Array | undefined {
  return encodeJsonRequest(typeof json === 'string' ? Buffer.from(json) : json, most)
}

/** The message as protobufjs reads it, 64-bit numbers as text. */
function read(json: string): Record<string, unknown> {
  return Request.toObject(Request.decode(encode(json)!), { longs: String, bytes: String })
}

/** A request with one gauge whose points are these. */
function gaugeOf(...points: readonly string[]): string {
  return `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[${points}]}}]}]}]}`
}

function pointsOf(json: string): Record<string, unknown>[] {
  const { resourceMetrics } = read(json) as never as {
    resourceMetrics: { scopeMetrics: { metrics: { gauge: { dataPoints: never[] } }[] }[] }[]
  }
  return resourceMetrics[0]!.scopeMetrics[0]!.metrics[0]!.gauge.dataPoints
}

function refusal(json: string | Uint8Array): string {
  try {
    encode(json)
  } catch (error) {
    assert.ok(error instanceof AppError && error.id === 'bad-data', String(error))
    return error.message
  }
  return assert.fail('it was taken')
}

test('numbers of 64 bits keep every digit, as text and as number', () => {
  const whole = [
    ['0', '0'],
    ['-1', '-1'],
    ['9007199254740993', '9007199254740993'],
    ['9223372036854775807', '9223372036854775807'],
    ['-9223372036854775808', '-9223372036854775808'],
    ['-4294967296', '-4294967296'],
    ['1000000000', '1000000000'],
    ['1700000000123456789', '1700000000123456789'],
  ]
  for (const [text, wanted] of whole) {
    for (const value of [text, `"${text}"`]) {
      assert.equal(pointsOf(gaugeOf(`{"asInt":${value}}`))[0]!['asInt'], wanted, value)
    }
  }
  assert.equal(pointsOf(gaugeOf('{"asInt":12e2}'))[0]!['asInt'], '1200')
  assert.equal(pointsOf(gaugeOf('{"asInt":"+5"}'))[0]!['asInt'], '5')
  const most = '18446744073709551615'
  assert.equal(pointsOf(gaugeOf(`{"timeUnixNano":"${most}"}`))[0]!['timeUnixNano'], most)
  const prng = new SeededPrng(7)
  for (let i = 0; i < 2_000; i++) {
    const bits = BigInt(prng.nextU32()) * 2n ** 32n + BigInt(prng.nextU32())
    const value = String(BigInt.asIntN(64, bits >> BigInt(prng.nextU32() % 64)))
    assert.equal(pointsOf(gaugeOf(`{"asInt":"${value}"}`))[0]!['asInt'], value)
  }
})

test('texts with escapes, names as in the .proto, unknown fields, null, space', () => {
  const [point] = pointsOf(
    gaugeOf(
      `{ "start_time_unix_nano" : "1" ,\n"as_\\u0064ouble":\t-1.5e-3,"what":[{"a":[1,true,null,"\\n"]},{}],"flags":null,
        "attributes":[{"key":"\\"\\ud83d\\ude00\\u00e9é","value":{"bytesValue":"AQI="}}] }\r`,
    ),
  )
  assert.deepEqual(point, {
    startTimeUnixNano: '1',
    asDouble: -0.0015,
    attributes: [{ key: '"😀éé', value: { bytesValue: 'AQI=' } }],
  })
  for (const [text, value] of [
    ['"NaN"', Number.NaN],
    ['"-Infinity"', -Infinity],
    ['"1.25"', 1.25],
  ]) {
    assert.equal(pointsOf(gaugeOf(`{"asDouble":${text}}`))[0]!['asDouble'], value)
  }
})

test('a value of the wrong type is named by where it stands', () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['3', /request is to be an object/],
    ['{"resourceMetrics":{}}', /request\.resourceMetrics is to be a list/],
    ['{"resourceMetrics":[{},[]]}', /request\.resourceMetrics\[1\] is to be an object/],
    [gaugeOf('{}', '{"asInt":"1.5"}'), /gauge\.dataPoints\[1\]\.asInt is to be a whole number/],
    [gaugeOf('{"asInt":1.5}'), /asInt is to be a whole number/],
    [gaugeOf('{"asInt":"111111111111111111111"}'), /asInt is to be a whole number/],
    [gaugeOf('{"asInt":{}}'), /asInt is to be a whole number/],
    [gaugeOf('{"asDouble":true}'), /asDouble is to be a number/],
    [gaugeOf('{"asDouble":"x"}'), /asDouble is to be a number/],
    [gaugeOf('{"attributes":[{"key":7}]}'), /attributes\[0\]\.key is to be a text/],
    [
      '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"sum":{"isMonotonic":1}}]}]}]}',
      /isMonotonic is to be true or false/,
    ],
  ]
  for (const [json, text] of wrong) assert.match(refusal(json), text)
  let deep = '{}'
  for (let i = 0; i < 120; i++) deep = `{"arrayValue":{"values":[${deep}]}}`
  const nested = gaugeOf(`{"attributes":[{"value":${deep}}]}`)
  assert.match(refusal(nested), /is to be nested less deeply/)
  assert.match(refusal(`{"x":${'['.repeat(100_000)}`), /is to be nested less deeply/)
})

test('a body of nothing but brackets costs no more than its bytes', () => {
  const before = process.memoryUsage().heapUsed
  const many = Buffer.from(`{"x":[${'[],'.repeat(3_000_000)}[]],"resourceMetrics":[[]]}`)
  assert.match(refusal(many), /resourceMetrics\[0\] is to be an object/)
  const grown = process.memoryUsage().heapUsed - before
  assert.ok(grown < 50e6, `the heap grew by ${grown} bytes`)
})

test('a message that would be longer than it may is not made', () => {
  const json = gaugeOf(...Array.from({ length: 1_000 }, () => '{}'))
  const length = encode(json)!.length
  assert.equal(encode(json, length - 1), undefined)
  assert.equal(encode(json, length)?.length, length)
})

test('what JSON.parse does not take is not taken, and what it takes is no malformed JSON', () => {
  const prng = new SeededPrng(11)
  const whole = Buffer.from(
    gaugeOf(
      '{"timeUnixNano":"17","asDouble":-1.5e+3,"attributes":[{"key":"a\\n\\u00e9","value":{"boolValue":true}}]}',
      '{"asInt":"-3","flags":1,"unknown":[0.5,{"b":null,"c":[]}," "],"asDouble":0}',
    ),
  )
  const bytes = Buffer.from('{}[]",:0123456789-+.eE\\u \ntrufalsn')
  let malformed = 0
  let taken = 0
  for (let i = 0; i < 20_000; i++) {
    const json = Buffer.from(whole)
    for (let changes = 1 + (prng.nextU32() % 2); changes > 0; changes--) {
      json[prng.nextU32() % json.length] = bytes[prng.nextU32() % bytes.length]!
    }
    const cut = prng.nextU32() % 10 === 0 ? json.subarray(0, prng.nextU32() % json.length) : json
    let isJson = true
    try {
      JSON.parse(cut.toString('utf8'))
    } catch {
      isJson = false
    }
    let refused: string | undefined
    try {
      assert.ok(encode(cut) !== undefined)
    } catch (error) {
      assert.ok(error instanceof AppError && error.id === 'bad-data', String(error))
      refused = error.message
    }
    if (!isJson) {
      malformed++
      assert.ok(refused !== undefined, cut.toString())
    } else if (refused === undefined) {
      taken++
      Request.decode(encode(cut)!)
    } else assert.match(refused, / is to be /, cut.toString())
  }
  assert.ok(malformed > 5_000 && taken > 500, `${malformed} malformed, ${taken} taken`)
})
