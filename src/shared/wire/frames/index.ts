/** The payloads that cross ring buffers on the write path: bodies, answers, writes, acks. */
export * from './write.js'
