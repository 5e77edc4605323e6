/**
 * Configuration in Mimir's structure: one table of keys, read once at start from YAML files and
 * flags, checked, frozen, handed out in slices. Promise: an unknown key or a bad value never starts
 * a server; it is named with its place and what was expected.
 */
export { type AzureEnvironment, azureEnvironment } from './azure-environment.js'
export {
  type Config,
  type ConfigSlice,
  type ConfigValue,
  configSlice,
  defaultConfig,
  type Loaded,
  loadConfig,
  zoneRoots,
} from './load.js'
export { type PrintMode, printConfig } from './print.js'
export {
  EMPTY_RUNTIME,
  type InstanceLimitValues,
  type LimitName,
  type LimitValues,
  parseRuntimeConfig,
  printLimits,
  type RuntimeConfig,
  type RuntimeFile,
} from './runtime.js'
export type { ConfigKey } from './table.js'
export { LIMITS } from './table-limits.js'
