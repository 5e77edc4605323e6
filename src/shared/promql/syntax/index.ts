/** PromQL's syntax: parse a query, print it, say where something stands in it. */
export * from './ast.js'
export { typeOf } from './check.js'
export { parse, parseMetricSelector } from './parse.js'
export { printPosition } from './position.js'
export { formatExpr, printExpr, printMatcher } from './print.js'
export { matchesEmpty } from './selectors.js'
export { NESTING_MAX, type ParseOptions, TREE_DEPTH_MAX } from './stream.js'
export { type TreeNode, treeOf } from './tree.js'
