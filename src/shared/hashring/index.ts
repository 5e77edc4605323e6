/** Places series on shards: the same place in every thread and after every start. */
export { createHashring, type Hashring, memberOf } from './tokens.js'
