/**
 * The typed face of the JSON kernel (assembly/json.kernel.ts): its memory, with the tables that it
 * reads, and its calls. Addresses stay below 2^31, so they cross as they are.
 */
import { J_PAGES, J_PAIRS, J_POWER_COUNT, J_POWER_MIN, J_POWERS } from './json-layout.js'
import { compileKernel } from './load.js'

/** What the kernel exports; the doc comments stand at the AssemblyScript functions. */
export interface JsonCalls {
  writeNumber(out: number, value: number): number
  prepareSteps(start: number, step: number, count: number): void
  prepareVector(at: number, ms: number): number
  writePoints(from: number, to: number, out: number, limit: number): number
  writeSamples(from: number, to: number, out: number, limit: number): number
  openSeries(out: number, labels: number, length: number): number
  writeRows(from: number, to: number, head: number, out: number, limit: number): number
}

/** An instance of the kernel: one per thread that writes answers. */
export interface JsonKernel {
  readonly calls: JsonCalls
  /** Its whole memory (json-layout.ts), which never grows. */
  readonly bytes: Uint8Array
}

/** Makes the kernel, its memory and its tables. */
export function openJsonKernel(): JsonKernel {
  const memory = new WebAssembly.Memory({ initial: J_PAGES, maximum: 65536 })
  const instance = new WebAssembly.Instance(compileKernel('json'), { env: { memory } })
  const bytes = new Uint8Array(memory.buffer)
  writePowers(new BigUint64Array(memory.buffer, J_POWERS, J_POWER_COUNT * 2))
  for (let i = 0; i < 100; i++) {
    bytes[J_PAIRS + i * 2] = 0x30 + Math.floor(i / 10)
    bytes[J_PAIRS + i * 2 + 1] = 0x30 + (i % 10)
  }
  return { calls: instance.exports as unknown as JsonCalls, bytes }
}

const MASK = (1n << 64n) - 1n

/** Powers of ten as 128-bit numbers with the highest bit set, rounded up where they are inexact. */
function writePowers(out: BigUint64Array): void {
  for (let index = 0; index < J_POWER_COUNT; index++) {
    const exponent = index + J_POWER_MIN
    const power = normalizedPower(exponent)
    out[index * 2] = power & MASK
    out[index * 2 + 1] = power >> 64n
  }
}

function normalizedPower(exponent: number): bigint {
  if (exponent >= 0) {
    const power = 10n ** BigInt(exponent)
    const shift = BigInt(bitLength(power) - 128)
    if (shift <= 0n) return power << -shift
    const floor = power >> shift
    return floor << shift === power ? floor : floor + 1n
  }
  const divisor = 10n ** BigInt(-exponent)
  return (1n << BigInt(bitLength(divisor) + 127)) / divisor + 1n
}

function bitLength(value: bigint): number {
  return value.toString(2).length
}
