/** Remote write, read the plain way: for errors' texts, metadata, and as the twin of the kernel. */
export {
  decodeLabels,
  decodeMetadata,
  decodeWriteRequest,
  type WriteMetadata,
  type WriteRequest,
  type WriteSeries,
} from './decode.js'
export { RequestEncoder, type Written } from './encode.js'
export {
  createdTimestamp,
  decodeExemplar,
  decodeHistogram,
  decodeMetadataV2,
  eachExtra,
  readRefs,
  type WriteExemplar,
  type WriteHistogram,
} from './histogram.js'
export { RequestTemplate, type WriteProtocol } from './template.js'
