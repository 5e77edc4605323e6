/** Reads the first refused sample of a chunk back out of the kernel's memory, to be worded. */
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import type { WriteRequestKernel } from '../../shared/kernels/write-request.js'
import { compareUtf8, type Label } from '../../shared/model/labels.js'
import { decodeLabels, readRefs } from '../../shared/wire/remote-write/index.js'
import type { Offender } from './validate.js'

const NO_LABEL: Label = { name: '', value: '' }

/** @param index of the sample in the chunk's columns */
export function readOffender(kernel: WriteRequestKernel, index: number): Offender {
  const row = kernel.rowOfSample(index)
  const labels = labelsOfRow(kernel, index)
  const reason = kernel.get(layout.OFFENDER_REASON)
  const times = new Float64Array(kernel.bytes.buffer, kernel.get(layout.COLUMN_TIMES))
  return { reason, labels, label: offendingLabel(kernel, row, labels), timeMs: times[index]! }
}

/** Labels of the series that a sample of the columns is of: sorted, without empty values. */
export function labelsOfRow(kernel: WriteRequestKernel, index: number): Label[] {
  const row = kernel.rowAt(kernel.rowOfSample(index)) >>> 2
  const at = kernel.words[row + layout.ROW_LABELS / 4]!
  const length = kernel.words[row + layout.ROW_LENGTH / 4]!
  const labels =
    (length & layout.REFS_FLAG) === 0
      ? decodeLabels(kernel.bytes.subarray(at, at + length))
      : labelsOfRefs(kernel, at, length ^ layout.REFS_FLAG)
  return labels.filter((label) => label.value !== '').sort((a, b) => compareUtf8(a.name, b.name))
}

/** Labels by `count` references to symbols, which the kernel has checked. */
export function labelsOfRefs(kernel: WriteRequestKernel, at: number, count: number): Label[] {
  const refs: number[] = []
  let end = at
  for (let left = count; left > 0; end++) if (kernel.bytes[end]! < 0x80) left--
  readRefs(kernel.bytes.subarray(at, end), refs)
  const labels: Label[] = []
  for (let i = 0; i < refs.length; i += 2) {
    const name = kernel.findSymbol(refs[i]!) ?? ''
    labels.push({ name, value: kernel.findSymbol(refs[i + 1]!) ?? '' })
  }
  return labels
}

/** The label that failed: the kernel is asked again. It never looked at a label set without an id. */
function offendingLabel(kernel: WriteRequestKernel, row: number, labels: readonly Label[]): Label {
  const words = kernel.words.subarray(kernel.rowAt(row) >>> 2)
  const first = words[layout.ROW_FIRST / 4]!
  // Id 0 is nobody's.
  if (kernel.words[(kernel.get(layout.COLUMN_IDS) >>> 2) + first] === 0) {
    return labels.reduce((a, b) => (b.value.length > a.value.length ? b : a), NO_LABEL)
  }
  const at = words[layout.ROW_LABELS / 4]!
  const length = words[layout.ROW_LENGTH / 4]!
  const code = kernel.exports.labelSet(kernel.context, at, length, kernel.stage)
  if (code <= layout.REASON_MISSING_NAME) return NO_LABEL
  const entry = (kernel.labelTable + kernel.get(layout.SET_OFFENDER) * 16) >>> 2
  const [name, nameLength, value, valueLength] = kernel.words.subarray(entry, entry + 4)
  return {
    name: Buffer.from(kernel.bytes.buffer, name!, nameLength!).toString(),
    value: Buffer.from(kernel.bytes.buffer, value!, valueLength!).toString(),
  }
}
