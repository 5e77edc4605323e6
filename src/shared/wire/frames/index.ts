/** The payloads that cross ring buffers on the write path: bodies, answers, writes, acks, metadata, histograms. */
export * from './codec.js'
export * from './records.js'
export * from './write.js'
