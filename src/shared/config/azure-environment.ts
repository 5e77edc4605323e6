/**
 * What Azure puts into the environment of a pod or machine that has an identity, under the names that
 * its own client libraries read. Read once, at the start, and handed on like configuration.
 */

/** The variables; '' where one is not set. */
export interface AzureEnvironment {
  /** AZURE_TENANT_ID, AZURE_CLIENT_ID. */
  readonly tenantId: string
  readonly clientId: string
  /** AZURE_CLIENT_SECRET: a service principal's. */
  readonly clientSecret: string
  /** AZURE_FEDERATED_TOKEN_FILE: of a workload identity. */
  readonly tokenFile: string
  /** AZURE_AUTHORITY_HOST, and AZURE_POD_IDENTITY_AUTHORITY_HOST in place of the metadata service. */
  readonly authorityHost: string
  readonly metadataHost: string
}

/** Reads it. */
export function azureEnvironment(variables = process.env): AzureEnvironment {
  const text = (name: string): string => variables[name] ?? ''
  return {
    tenantId: text('AZURE_TENANT_ID'),
    clientId: text('AZURE_CLIENT_ID'),
    clientSecret: text('AZURE_CLIENT_SECRET'),
    tokenFile: text('AZURE_FEDERATED_TOKEN_FILE'),
    authorityHost: text('AZURE_AUTHORITY_HOST'),
    metadataHost: text('AZURE_POD_IDENTITY_AUTHORITY_HOST'),
  }
}
