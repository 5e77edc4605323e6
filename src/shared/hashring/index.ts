/** Places series on shards: the same place in every thread and after every start. */

export { type Place, placeOf, readQuorum, replicaShards, writeQuorum } from './replicas.js'
export { createHashring, type Hashring, memberOf } from './tokens.js'
