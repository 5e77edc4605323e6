/**
 * Series, pairs and names that are no longer needed: taken out of the tables, and their rows given back for
 * use by others. Postings and chains are the host's part (tsdb/head/collector.ts), which also knows
 * when nobody follows a ref or a pair id any more.
 */
import {
  H_FREE_NAMES,
  H_FREE_PAIRS,
  H_FREE_REF_COUNT,
  H_FREE_REFS,
  H_FREE_TENANTS,
  H_NAME_TABLE,
  H_PAIR_TABLE,
  H_SERIES_TABLE,
  H_TENANTS,
  HISTOGRAM_ROW_BYTES,
  HISTOGRAM_ROWS,
  LOG_REFS,
  O_BUFFER,
  O_CLASS,
  OOO_ROW_BYTES,
  OOO_ROWS,
  R_LABELS,
  RECORDS,
  SERIES_DIRECTORY,
  SERIES_SLAB_MASK,
  SERIES_SLAB_SHIFT,
  TENANT_ROW_BYTES,
} from '../head-layout'
import { forgetLastPairs, keptBytes, labelRow, nameRow, pairRow, pairTenant } from './head-intern'
import { freeSlot, giveBack, hashBytes, hashPairs, removeEntry } from './head-memory'
import { oooRow } from './head-ooo-read'
import { isEmpty } from './head-truncate'

/**
 * Takes a series without samples out of the table: whoever defines its labels gets another ref.
 * @returns false when it has samples, or is not there
 */
export function unlinkSeries(ref: u32): bool {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const s = ref & SERIES_SLAB_MASK
  if (!isEmpty(slab, s)) return false
  const row = labelRow(ref)
  if (!removeEntry(H_SERIES_TABLE, hashPairs(row + 4, load<u32>(row)), ref)) return false
  const tenant = load<u32>(H_TENANTS) + pairTenant(load<u32>(row, 4)) * TENANT_ROW_BYTES
  store<u32>(tenant, load<u32>(tenant, 16) - 1, 16)
  store<u32>(slab + LOG_REFS + (s << 2), 0)
  return true
}

/** Takes a pair that no series has out of the table. */
export function unlinkPair(pair: u32): void {
  forgetLastPairs()
  const row = pairRow(pair)
  const length = u32(load<u16>(row, 4))
  removeEntry(H_PAIR_TABLE, hashBytes(load<u32>(row), length, pairTenant(pair)), pair)
}

/** Takes a name that no pair has out of the table. */
export function unlinkName(name: u32): void {
  const row = nameRow(name)
  const tag = hashBytes(load<u32>(row), load<u32>(row, 4), load<u32>(row, 8))
  removeEntry(H_NAME_TABLE, tag, name)
}

/** Gives back an unlinked name's bytes, and its id. */
export function releaseName(name: u32): void {
  const row = nameRow(name)
  giveBack(load<u32>(row), keptBytes(load<u32>(row, 4)))
  store<u32>(row, load<u32>(H_FREE_NAMES))
  store<u32>(H_FREE_NAMES, name)
}

/** Gives back what an unlinked series has, and its ref. */
export function releaseSeries(ref: u32): void {
  const slab = load<u32>(SERIES_DIRECTORY + ((ref >> SERIES_SLAB_SHIFT) << 2))
  const s = ref & SERIES_SLAB_MASK
  const record = slab + RECORDS + (s << 6)
  const labels = labelRow(ref)
  giveBack(labels, (load<u32>(labels) + 1) << 2)
  const late = oooRow(slab, s)
  if (late != 0) {
    freeSlot(load<u32>(late, O_BUFFER), u32(load<u8>(late, O_CLASS)))
    giveBack(late, OOO_ROW_BYTES)
  }
  const histograms = load<u32>(slab + HISTOGRAM_ROWS + (s << 2))
  if (histograms != 0) giveBack(histograms, HISTOGRAM_ROW_BYTES)
  store<u32>(slab + OOO_ROWS + (s << 2), 0)
  store<u32>(slab + HISTOGRAM_ROWS + (s << 2), 0)
  store<u32>(record, 0, R_LABELS)
  store<u32>(record, load<u32>(H_FREE_REFS))
  store<u32>(H_FREE_REFS, ref + 1)
  store<u32>(H_FREE_REF_COUNT, load<u32>(H_FREE_REF_COUNT) + 1)
}

/**
 * Takes a tenant without series and names out: it has no name any more.
 * @returns false, and nothing done, when it has any
 */
export function unlinkTenant(tenant: u32): bool {
  const row = load<u32>(H_TENANTS) + tenant * TENANT_ROW_BYTES
  const length = load<u32>(row, 4)
  if (length == 0 || load<u32>(row, 12) != 0 || load<u32>(row, 16) != 0) return false
  store<u32>(row, length, 20)
  store<u32>(row, 0, 4)
  return true
}

/** Gives back what an unlinked tenant has, and its index. */
export function releaseTenant(tenant: u32): void {
  const row = load<u32>(H_TENANTS) + tenant * TENANT_ROW_BYTES
  releasePair(load<u32>(row, 8))
  giveBack(load<u32>(row), keptBytes(load<u32>(row, 20)))
  memory.fill(row, 0, TENANT_ROW_BYTES)
  store<u32>(row, load<u32>(H_FREE_TENANTS), 24)
  store<u32>(H_FREE_TENANTS, tenant + 1)
}

/** Gives back an unlinked pair's bytes, and its id. */
export function releasePair(pair: u32): void {
  const row = pairRow(pair)
  giveBack(load<u32>(row), keptBytes(u32(load<u16>(row, 4))))
  // Without a name it is skipped by snapshots.
  store<u32>(row, 0, 8)
  store<u32>(row, load<u32>(H_FREE_PAIRS))
  store<u32>(H_FREE_PAIRS, pair)
}
