/**
 * Remote read: Prometheus' requests for series (prompb/remote.proto), answered as samples or as a
 * stream of chunks. Whole messages in, pieces of bytes out; what is malformed is `bad-data`.
 */
export { decodeReadRequest, type ReadQuery, type ReadRequest } from './decode.js'
export { ChunkedWriter, type ReadChunk, type ReadSamples, SampledWriter } from './encode.js'
