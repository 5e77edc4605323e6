/**
 * Answers of the Prometheus API as bytes: query results from columns (JsonEncoder, one per
 * thread), everything else from plain values. Byte for byte what Prometheus 3.5 sends.
 */
export type {
  LabelSource,
  QueryAnswer,
  QueryData,
  SampleColumns,
  StepColumns,
} from './answer.js'
export { JsonEncoder } from './encoder.js'
export { type ExemplarRow, encodeExemplars } from './exemplars.js'
export {
  type AnswerNotes,
  encodeActiveSeries,
  encodeBareData,
  encodeData,
  encodeError,
  encodeStrings,
} from './small.js'
