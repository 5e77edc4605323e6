/** The payloads that cross ring buffers on the write path: bodies, answers, writes, acks, metadata. */
export * from './codec.js'
export * from './write.js'
