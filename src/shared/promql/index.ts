/** PromQL: parses queries, evaluates them over a SeriesSource into columns. */
export * from './syntax/index.js'
