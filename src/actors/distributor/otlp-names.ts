/** Names of metrics and labels, made once from their OTLP names. */
import {
  labelName,
  metricName,
  type NamedKind,
  type OtlpNaming,
} from '../../shared/wire/otlp/index.js'

/** Names kept per tenant setting; senders have a few thousand. */
const NAMES_MAX = 16_384

/** Names made before, by what they are made of. One per tenant's settings. */
export class OtlpNames {
  private readonly naming: OtlpNaming
  private readonly labels = new Map<string, string>()
  private readonly metrics = new Map<string, string>()

  constructor(naming: OtlpNaming) {
    this.naming = naming
  }

  label(key: string): string {
    let name = this.labels.get(key)
    if (name !== undefined) return name
    name = labelName(this.naming, key)
    if (this.labels.size >= NAMES_MAX) this.labels.clear()
    this.labels.set(key, name)
    return name
  }

  metric(name: string, { unit, kind }: { unit: string; kind: NamedKind }): string {
    const key = `${kind} ${unit}\0${name}`
    let made = this.metrics.get(key)
    if (made !== undefined) return made
    made = metricName(this.naming, { name, unit, kind })
    if (this.metrics.size >= NAMES_MAX) this.metrics.clear()
    this.metrics.set(key, made)
    return made
  }
}
