/**
 * New series of a chunk onto the links of their shards: validate, route, write the define records
 * that go ahead of the chunk's samples. Hot when series are created (bench/macro, first scrapes):
 * one call per chunk, nothing crosses to the host per series.
 */
import { labelSet } from './label-set'
import {
  ATTENTION,
  ATTENTION_COUNT,
  COLUMN_IDS,
  DEFINE_BYTES,
  ID_ROUTE,
  RING_COUNT,
  RING_MEMBERS,
  RING_OWNERS,
  RING_TOKENS,
  ROUTE_NEW,
  ROUTE_REJECTED,
  ROW_BYTES,
  ROW_FIRST,
  ROW_LABELS,
  ROW_LENGTH,
  ROWS,
  SET_COUNT,
  SET_HASH,
  SET_LENGTH,
  SHARD_BYTES,
  SHARD_DEFINE_COUNT,
  SHARD_DEFINE_SIZE,
  SHARD_DEFINED,
  SHARD_DEFINES,
  SHARDS,
  STAGE,
} from './write-request-layout'

/**
 * Looks at the rows that `attend` listed.
 *
 * @returns how many were defined, or −1 when a label is malformed
 */
export function defineRows(c: usize): i32 {
  const count = load<u32>(c, ATTENTION_COUNT)
  const attention: usize = load<u32>(c, ATTENTION)
  const rows: usize = load<u32>(c, ROWS)
  const ids: usize = load<u32>(c, COLUMN_IDS)
  const routes: usize = load<u32>(c, ID_ROUTE)
  const shards: usize = load<u32>(c, SHARDS)
  const stage: usize = load<u32>(c, STAGE)
  let defined: i32 = 0
  for (let i: u32 = 0; i < count; i++) {
    const row = rows + load<u32>(attention + (i << 2)) * ROW_BYTES
    const id = load<u32>(ids + (load<u32>(row, ROW_FIRST) << 2))
    const known: u32 = load<u8>(routes + id)
    // The same series may be listed twice in one chunk.
    if (known != <u32>ROUTE_NEW) {
      if (known >= <u32>ROUTE_REJECTED || isDefined(shards + known * SHARD_BYTES, id)) continue
    }
    const code = labelSet(c, load<u32>(row, ROW_LABELS), load<u32>(row, ROW_LENGTH), stage)
    if (code < 0) return -1
    if (code > 0) {
      store<u8>(routes + id, ROUTE_REJECTED | code)
      continue
    }
    const member = memberOf(c, load<u32>(c, SET_HASH))
    store<u8>(routes + id, member)
    define(shards + member * SHARD_BYTES, c, id, stage)
    defined++
  }
  return defined
}

function isDefined(shard: usize, id: u32): bool {
  return ((load<u8>(load<u32>(shard, SHARD_DEFINED) + (id >> 3)) >> (<u8>id & 7)) & 1) == 1
}

/** Adds a define record, whose label set stands at the stage, and sets the id's bit. */
function define(shard: usize, c: usize, id: u32, stage: usize): void {
  const length = load<u32>(c, SET_LENGTH)
  const size = load<u32>(shard, SHARD_DEFINE_SIZE)
  const at: usize = load<u32>(shard, SHARD_DEFINES) + size
  const bytes = DEFINE_BYTES + ((length + 7) & ~7)
  store<u32>(at, id)
  store<u32>(at, load<u32>(c, SET_COUNT), 4)
  store<u32>(at, length, 8)
  store<u32>(at, 0, 12)
  // The padding first; the labels go over the rest of the word.
  store<u64>(at + bytes - 8, 0)
  memory.copy(at + DEFINE_BYTES, stage, length)
  store<u32>(shard, size + bytes, SHARD_DEFINE_SIZE)
  store<u32>(shard, load<u32>(shard, SHARD_DEFINE_COUNT) + 1, SHARD_DEFINE_COUNT)
  const bit = load<u32>(shard, SHARD_DEFINED) + (id >> 3)
  store<u8>(bit, load<u8>(bit) | (1 << (<u8>id & 7)))
}

/** The shard that owns a hash: `memberOf` of shared/hashring, over what the host laid down. */
export function memberOf(c: usize, hash: u32): u32 {
  const count = load<u32>(c, RING_COUNT)
  if (count == 0) return 0
  const tokens: usize = load<u32>(c, RING_TOKENS)
  const point = mix(hash)
  let low: u32 = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >> 1
    if (load<u32>(tokens + (middle << 2)) < point) low = middle + 1
    else high = middle
  }
  const owners: usize = load<u32>(c, RING_OWNERS)
  let at = low == count ? 0 : low
  let owner: u32 = load<u16>(owners + (at << 1))
  while (!isMember(c, owner)) {
    at = at + 1 == count ? 0 : at + 1
    owner = load<u16>(owners + (at << 1))
  }
  return owner
}

/** Whether the tenant has a member; it has one at least. */
function isMember(c: usize, member: u32): bool {
  const word = load<u32>(c + RING_MEMBERS + ((member >> 5) << 2))
  return ((word >> (member & 31)) & 1) == 1
}

/** MurmurHash3's finaliser. */
function mix(value: u32): u32 {
  let h = (value ^ (value >> 16)) * 0x85ebca6b
  h = (h ^ (h >> 13)) * 0xc2b2ae35
  return h ^ (h >> 16)
}
