// What the servers of this folder share: the identity of a caller, the pool, the packed form of settings, the schema.
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createVerifier } from 'fast-jwt'
import pg from 'pg'

export const port = Number(process.argv[2])
const { HOST, DATABASE, LOGIN, POOL, KEY } = process.env

// 64-bit numbers and times as they are sent; each statement is prepared once per connection.
pg.types.setTypeParser(20, Number)
export const pool = new pg.Pool({ host: HOST, port: 5432, database: DATABASE, user: LOGIN, max: Number(POOL) })

const publicKey = createPublicKey(createPrivateKey(readFileSync(KEY))).export({ type: 'spki', format: 'pem' })
const verify = createVerifier({ key: publicKey, algorithms: ['EdDSA'], cache: true })
const CALLER = {
  name: 'caller',
  text: 'SELECT account_id, member_workspace_id FROM core.authenticate_identity($1, $2, NULL, NULL)'
}

// The caller of a request: the token is verified (and remembered), the account looked up as Fivefold looks it up.
export async function authenticate (authorization) {
  const { iss, sub } = verify((authorization ?? '').slice('Bearer '.length))
  const { rows: [caller] } = await pool.query({ ...CALLER, values: [iss, sub] })
  if (!caller) throw new Error('No account belongs to this token.')
  return { account: caller.account_id, workspace: caller.member_workspace_id }
}

// One round trip that opens a transaction and declares the caller, whom the policies ask for.
export const begin = ({ account, workspace }) =>
  'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT ' +
  `set_config('fivefold.workspace_id', '${workspace}', true), set_config('fivefold.account_id', '${account}', true)`

export const toGlobal = (type, id) => Buffer.from(`${type}:${id}`).toString('base64')
export const fromGlobal = (id) => Buffer.from(id, 'base64').toString().split(':')[1]
export const fromCursor = (cursor) => JSON.parse(Buffer.from(cursor, 'base64url').toString())[1]

// One connection hears what NOTIFY tells, for all who subscribe.
export async function hear (tell) {
  const client = new pg.Client({ host: HOST, port: 5432, database: DATABASE, user: LOGIN })
  await client.connect()
  client.on('notification', ({ payload }) => tell(JSON.parse(payload)))
  await client.query('LISTEN scan_requested')
}

const SETTINGS = `
SELECT s.key, s.label, s.category, s.recommended, s.risk, s.options, s.default_value AS "defaultValue", s.template_id
FROM privacy.template_setting AS s WHERE s.template_id = ANY ($1::uuid[]) ORDER BY s.template_id, s.position`
const known = new Map() // templates never change, so a process keeps their settings, as Fivefold does

export async function settingsOf (query, templateIds) {
  const missing = [...new Set(templateIds)].filter((id) => !known.has(id))
  if (missing.length) {
    for (const id of missing) known.set(id, [])
    const { rows } = await query({ name: 'settings', text: SETTINGS, values: [missing] })
    for (const row of rows) known.get(row.template_id).push(row)
  }
  return known
}

export function unpack (settings, packed, observed) {
  const option = new Map()
  for (let at = 0; at < packed.length; at += 2) option.set(packed[at], packed[at + 1])
  return settings.map((s, place) => {
    const seen = observed === null || (observed[place >> 3] >> (place & 7)) & 1
    const value = seen ? (option.has(place) ? s.options[option.get(place)] : s.defaultValue) : null
    const { key, label, category, recommended, risk } = s
    return { key, label, category, value, observed: value !== null, recommended, risk }
  })
}

export const completion = (observed, count) => {
  if (observed === null) return 1
  let seen = 0
  for (const byte of observed) for (let bits = byte; bits; bits &= bits - 1) seen++
  return seen / count
}

export const DASHBOARD = `
SELECT round(avg(s.risk_score))::integer AS "overallScore",
  coalesce(sum(coalesce(bit_count(s.observed), t.setting_count))::float8 / nullif(sum(t.setting_count), 0), 0) AS coverage
FROM privacy.platform_link AS l
JOIN privacy.snapshot AS s ON s.workspace_id = l.workspace_id AND s.id = l.latest_snapshot_id
JOIN privacy.template AS t ON t.id = s.template_id
WHERE l.workspace_id = $1 AND l.status = 'ACTIVE'`

// Of Fivefold's schema, what the workloads ask for.
export const SCHEMA = `
scalar DateTime
type Query {
  privacyDashboard: Dashboard
  platformLink(id: ID!): Link
  platformLinks(first: Int! = 20): LinkPage
  snapshots(linkId: ID!, first: Int! = 20, after: String): SnapshotPage
}
type Subscription { scanRequested: ScanRequested! }
type ScanRequested { cursor: String! requestedAt: DateTime! reason: String! link: Link! }
type Dashboard { overallScore: Int coverage: Float! links(first: Int! = 20): LinkPage! }
type LinkPage { edges: [LinkEdge!]! }
type LinkEdge { node: Link! }
type Link {
  id: ID! label: String! status: String! linkedAt: DateTime!
  platform: Platform! latestSnapshot: Snapshot snapshots(first: Int! = 20): SnapshotPage!
}
type Platform { id: ID! slug: String! name: String! }
type SnapshotPage { edges: [SnapshotEdge!]! pageInfo: PageInfo! }
type SnapshotEdge { node: Snapshot! }
type PageInfo { hasNextPage: Boolean! }
type Snapshot {
  id: ID! riskScore: Int completionRate: Float! confidence: Float! capturedAt: DateTime!
  settings: [Setting!]! changes: [Change!]!
}
type Setting {
  key: String! label: String! category: String! value: String observed: Boolean! recommended: String! risk: Int!
}
type Change { setting: String! oldValue: String newValue: String origin: String! }
`
