/** OTLP metrics, read the plain way: names, attributes, histograms; JSON; what senders are answered. */
export {
  type Attribute,
  byteString,
  decodeAttributes,
  decodeAttributesOf,
  decodeScope,
} from './attributes.js'
export {
  decodeExplicit,
  decodeExponential,
  decodeOtlpExemplar,
  type OtlpExemplar,
  type OtlpHistogram,
} from './histogram.js'
export { encodeJsonRequest } from './json.js'
export { labelName, metricName, type NamedKind, type OtlpNaming } from './names.js'
export { encodeFailure, encodeSuccess, type PartialSuccess } from './respond.js'
