/** Influx line protocol, as remote write. */
export { type InfluxPrecision, parseInflux, precisionOf } from './parse.js'
