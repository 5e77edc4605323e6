/** Reads the first refused sample of a chunk back out of the kernel's memory, to be worded. */
import * as layout from '../../shared/kernels/assembly/write-request-layout.js'
import type { WriteRequestKernel } from '../../shared/kernels/write-request.js'
import { compareUtf8, type Label } from '../../shared/model/labels.js'
import { decodeLabels } from '../../shared/wire/remote-write/index.js'
import type { Offender } from './validate.js'

const NO_LABEL: Label = { name: '', value: '' }

/** @param index of the sample in the chunk's columns */
export function readOffender(kernel: WriteRequestKernel, index: number): Offender {
  const row = kernel.rowOfSample(index)
  const bytes = kernel.rowLabels(row)
  const labels = decodeLabels(bytes)
    .filter((label) => label.value !== '')
    .sort((a, b) => compareUtf8(a.name, b.name))
  const reason = kernel.get(layout.OFFENDER_REASON)
  const times = new Float64Array(kernel.bytes.buffer, kernel.get(layout.COLUMN_TIMES))
  return { reason, labels, label: offendingLabel(kernel, bytes, labels), timeMs: times[index]! }
}

/** The label that failed: the kernel is asked again. It never looked at a label set without an id. */
function offendingLabel(
  kernel: WriteRequestKernel,
  bytes: Uint8Array,
  labels: readonly Label[],
): Label {
  if (bytes.length > kernel.get(layout.LABEL_LENGTH_MAX)) {
    return labels.reduce((a, b) => (b.value.length > a.value.length ? b : a), NO_LABEL)
  }
  const code = kernel.exports.labelSet(kernel.context, bytes.byteOffset, bytes.length, kernel.stage)
  if (code <= layout.REASON_MISSING_NAME) return NO_LABEL
  const at = (kernel.labelTable + kernel.get(layout.SET_OFFENDER) * 16) >>> 2
  const [name, nameLength, value, valueLength] = kernel.words.subarray(at, at + 4)
  return {
    name: Buffer.from(kernel.bytes.buffer, name!, nameLength!).toString(),
    value: Buffer.from(kernel.bytes.buffer, value!, valueLength!).toString(),
  }
}
