/** Names of metrics and labels under each strategy. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  labelName,
  metricName,
  type NamedKind,
  type OtlpNaming,
} from '../../../../src/shared/wire/otlp/index.js'

const PLAIN: OtlpNaming = {
  escapes: true,
  hasSuffixes: false,
  prefixesUnderscore: true,
  keepsUnderscores: true,
}
const SUFFIXES = { ...PLAIN, hasSuffixes: true }
const UTF8 = { ...PLAIN, escapes: false }
const UTF8_SUFFIXES = { ...UTF8, hasSuffixes: true }

const bytes = (text: string): string => Buffer.from(text).toString('latin1')

const metrics: [OtlpNaming, string, string, NamedKind, string][] = [
  [PLAIN, 'http.server.duration', 's', 'other', 'http_server_duration'],
  [PLAIN, 'a..b', '', 'other', 'a_b'],
  [PLAIN, 'a__b', '', 'other', 'a__b'],
  [PLAIN, '2xx', '', 'other', '_2xx'],
  [PLAIN, 'größe', '', 'gauge', 'gr_e'],
  [PLAIN, '...', '', 'gauge', ''],
  [SUFFIXES, 'http.server.duration', 'ms', 'other', 'http_server_duration_milliseconds'],
  [SUFFIXES, 'system.disk.io', 'By', 'counter', 'system_disk_io_bytes_total'],
  [SUFFIXES, 'requests.total', '1', 'counter', 'requests_total'],
  [SUFFIXES, 'cpu.ratio', '1', 'gauge', 'cpu_ratio'],
  [SUFFIXES, 'cpu', '1', 'gauge', 'cpu_ratio'],
  [SUFFIXES, 'cpu', '%', 'gauge', 'cpu_percent'],
  [SUFFIXES, 'speed', 'm/s', 'gauge', 'speed_meters_per_second'],
  [SUFFIXES, 'requests', '{request}/s', 'gauge', 'requests_per_second'],
  [SUFFIXES, 'fridge', 'Cel', 'gauge', 'fridge_celsius'],
  [SUFFIXES, 'a__b', 'custom.unit', 'gauge', 'a_b_custom_unit'],
  [SUFFIXES, 'seconds.of', 's', 'gauge', 'seconds_of'],
  [UTF8, 'http.server.duration', 's', 'other', 'http.server.duration'],
  [UTF8_SUFFIXES, 'disk.io', 'By', 'counter', 'disk.io_bytes_total'],
  [UTF8_SUFFIXES, 'disk.io.total', 'By', 'counter', 'disk.io_bytes_total'],
  [UTF8_SUFFIXES, 'speed', 'm/s', 'gauge', 'speed_meters_per_second'],
  [UTF8_SUFFIXES, 'cpu', '1', 'gauge', 'cpu_ratio'],
]

for (const [naming, name, unit, kind, wanted] of metrics) {
  const how = `${naming.escapes ? 'escaped' : 'plain'}${naming.hasSuffixes ? ', suffixes' : ''}`
  test(`${how}: ${kind} ${name} [${unit}] is ${wanted}`, () => {
    assert.equal(metricName(naming, { name: bytes(name), unit: bytes(unit), kind }), wanted)
  })
}

const collapsing = { ...PLAIN, keepsUnderscores: false }
const labels: [OtlpNaming, string, string][] = [
  [PLAIN, 'http.method', 'http_method'],
  [PLAIN, '2xx', 'key_2xx'],
  [PLAIN, '_private', 'key_private'],
  [PLAIN, '.private', 'key_private'],
  [PLAIN, '__reserved__', '__reserved__'],
  [PLAIN, 'a..b', 'a__b'],
  [PLAIN, 'ü', 'key_'],
  [PLAIN, '__', '__'],
  [PLAIN, '..', ''],
  [PLAIN, 'aü', 'a_'],
  [{ ...PLAIN, prefixesUnderscore: false }, '_private', '_private'],
  [collapsing, 'a..b', 'a_b'],
  [collapsing, '__reserved__', '__reserved__'],
  [UTF8, 'http.method', 'http.method'],
]

for (const [naming, key, wanted] of labels) {
  test(`label ${key} is ${wanted === '' ? 'nothing' : wanted}`, () => {
    assert.equal(labelName(naming, bytes(key)), wanted)
  })
}
