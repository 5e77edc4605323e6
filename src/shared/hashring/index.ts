/** Places series on shards: the same place in every thread and after every start. */

export {
  hasQuorum,
  type Place,
  placeOf,
  readQuorum,
  replicaShards,
  writeQuorum,
} from './replicas.js'
export {
  memberCountOf,
  ownerOf,
  shuffleMembers,
  type TenantKey,
  type TenantShards,
} from './shuffle.js'
export {
  createHashring,
  type Hashring,
  hasMember,
  type Members,
  memberOf,
} from './tokens.js'
