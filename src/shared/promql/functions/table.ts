/** The function table: one row per PromQL function. */
import type { FunctionRow } from './kernel.js'

export const FUNCTIONS: Readonly<Record<string, FunctionRow>> = {}
