/**
 * Flags in the style of Go's flag package: `-a.b=c`, `--a.b=c`, `-a.b c`, switches without a value.
 * Only splits; what a flag means is looked up by load.ts, which passes in what it needs to know to
 * tell a switch from a flag whose value comes next.
 */

/** One flag as given: without dashes, with its value. */
export interface Flag {
  readonly name: string
  readonly value: string
}

/** Flags and what is wrong with the rest. */
export interface Split {
  readonly flags: readonly Flag[]
  readonly problems: readonly string[]
}

/**
 * @param args what follows the command
 * @param isSwitch whether a flag of this name stands for `true` when it has no `=`
 */
export function splitFlags(args: readonly string[], isSwitch: (name: string) => boolean): Split {
  const flags: Flag[] = []
  const problems: string[] = []
  let index = 0
  while (index < args.length) {
    const arg = args[index++]!
    const match = /^--?([^-=][^=]*)(?:=([\s\S]*))?$/.exec(arg)
    if (match === null) {
      problems.push(`unexpected argument ${arg}: flags are -name=value, switches -name=true`)
      continue
    }
    const name = match[1]!
    if (match[2] !== undefined) flags.push({ name, value: match[2] })
    else if (isSwitch(name)) flags.push({ name, value: 'true' })
    else if (index < args.length) flags.push({ name, value: args[index++]! })
    else problems.push(`flag -${name} needs a value`)
  }
  return { flags, problems }
}
