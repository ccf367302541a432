// Mercurius with JIT and loaders over pg: one connection and one transaction for each request, prepared statements.
import Fastify from 'fastify'
import mercurius from 'mercurius'
import {
  DASHBOARD, SCHEMA, authenticate, begin, completion, fromCursor, fromGlobal, hear, pool, port, settingsOf, toGlobal, unpack
} from './common.js'

const LINK = 'l.id, l.label, l.status, l.linked_at AS "linkedAt", l.platform_id, l.latest_snapshot_id'
const SNAPSHOT = `s.id, s.risk_score AS "riskScore", s.confidence, s.captured_at AS "capturedAt", s.template_id, s.packed, s.observed,
  t.setting_count FROM privacy.snapshot AS s JOIN privacy.template AS t ON t.id = s.template_id`
const STATEMENTS = {
  dashboard: DASHBOARD,
  link: `SELECT ${LINK} FROM privacy.platform_link AS l WHERE l.workspace_id = $1 AND l.id = $2`,
  links: `SELECT ${LINK} FROM privacy.platform_link AS l WHERE l.workspace_id = $1 ORDER BY l.id DESC LIMIT $2`,
  active: `SELECT ${LINK} FROM privacy.platform_link AS l WHERE l.workspace_id = $1 AND l.status = 'ACTIVE'
    ORDER BY l.id DESC LIMIT $2`,
  platforms: 'SELECT p.id, p.slug, p.name FROM privacy.platform AS p WHERE p.id = ANY ($1::uuid[])',
  snapshots: `SELECT ${SNAPSHOT} WHERE s.workspace_id = $1 AND s.id = ANY ($2::uuid[])`,
  page: `SELECT ${SNAPSHOT} WHERE s.workspace_id = $1 AND s.link_id = $2 AND s.id < $3 ORDER BY s.id DESC LIMIT $4`,
  histories: `SELECT k.id AS key, h.* FROM unnest($2::uuid[]) AS k (id) CROSS JOIN LATERAL (
    SELECT ${SNAPSHOT} WHERE s.workspace_id = $1 AND s.link_id = k.id ORDER BY s.id DESC LIMIT $3) AS h ORDER BY k.id, h.id DESC`,
  changes: `SELECT c.snapshot_id, c.setting, c.old_value AS "oldValue", c.new_value AS "newValue", c.origin FROM privacy.change AS c
    WHERE c.workspace_id = $1 AND c.snapshot_id = ANY ($2::uuid[]) ORDER BY c.snapshot_id, c.setting`
}
const END = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

const edges = (rows) => ({ edges: rows.map((node) => ({ node })) })
const page = (rows, first) => ({ ...edges(rows.slice(0, first)), pageInfo: { hasNextPage: rows.length > first } })
const groups = (rows, column, keys) => {
  const found = new Map(keys.map((key) => [key, []]))
  for (const row of rows) found.get(row[column]).push(row)
  return keys.map((key) => found.get(key))
}

const resolvers = {
  Query: {
    privacyDashboard: async (_, args, { run }) => (await run('dashboard'))[0],
    platformLink: async (_, { id }, { run }) => (await run('link', fromGlobal(id)))[0],
    platformLinks: async (_, { first }, { run }) => edges(await run('links', first)),
    snapshots: async (_, { linkId, first, after }, { run }) =>
      page(await run('page', fromGlobal(linkId), after ? fromCursor(after) : END, first + 1), first)
  },
  Subscription: {
    scanRequested: { subscribe: (_, args, { pubsub, caller }) => pubsub.subscribe(`scanRequested ${caller.workspace}`) }
  },
  ScanRequested: { link: async ({ linkId }, args, { run }) => (await run('link', linkId))[0] },
  Dashboard: { links: async (_, { first }, { run }) => edges(await run('active', first)) },
  Link: { id: (row) => toGlobal('PlatformLink', row.id) },
  Platform: { id: (row) => toGlobal('Platform', row.id) },
  Snapshot: {
    id: (row) => toGlobal('Snapshot', row.id),
    completionRate: (row) => completion(row.observed, row.setting_count)
  }
}

const uncached = { cache: false } // a loader's cache lives for one request; nothing is asked for twice here
const loaders = {
  Link: {
    platform: async (queries, { query }) => {
      const { rows } = await query('platforms', [queries.map(({ obj }) => obj.platform_id)])
      const found = new Map(rows.map((row) => [row.id, row]))
      return queries.map(({ obj }) => found.get(obj.platform_id))
    },
    latestSnapshot: {
      opts: uncached,
      loader: async (queries, { run }) => {
        const rows = await run('snapshots', queries.map(({ obj }) => obj.latest_snapshot_id))
        const found = new Map(rows.map((row) => [row.id, row]))
        return queries.map(({ obj }) => found.get(obj.latest_snapshot_id))
      }
    },
    snapshots: {
      opts: uncached,
      loader: async (queries, { run }) => {
        const { first } = queries[0].params
        const ids = queries.map(({ obj }) => obj.id)
        return groups(await run('histories', ids, first + 1), 'key', ids).map((rows) => page(rows, first))
      }
    }
  },
  Snapshot: {
    settings: {
      opts: uncached,
      loader: async (queries, { client }) => {
        const templates = await settingsOf((text) => client.query(text), queries.map(({ obj }) => obj.template_id))
        return queries.map(({ obj }) => unpack(templates.get(obj.template_id), obj.packed, obj.observed))
      }
    },
    changes: {
      opts: uncached,
      loader: async (queries, { run }) => {
        const ids = queries.map(({ obj }) => obj.id)
        return groups(await run('changes', ids), 'snapshot_id', ids)
      }
    }
  }
}

async function context (request) {
  const caller = await authenticate(request.headers.authorization)
  const client = await pool.connect()
  await client.query(begin(caller))
  const query = (name, values) => client.query({ name, text: STATEMENTS[name], values })
  const run = async (name, ...values) => (await query(name, [caller.workspace, ...values])).rows
  return { client, query, run }
}

// The context of a connection that subscribes: each statement in a transaction of its own, as its caller.
async function onConnect ({ payload }) {
  const caller = await authenticate(payload.Authorization)
  const query = async (name, values) => {
    const client = await pool.connect()
    try {
      await client.query(begin(caller))
      const found = await client.query({ name, text: STATEMENTS[name], values })
      await client.query('COMMIT')
      return found
    } finally {
      client.release()
    }
  }
  const run = async (name, ...values) => (await query(name, [caller.workspace, ...values])).rows
  return { caller, query, run }
}

const app = Fastify()
app.register(mercurius, { schema: SCHEMA, resolvers, loaders, context, jit: 1, graphiql: false, subscription: { onConnect } })
await app.ready()
app.graphql.addHook('onResolution', async (execution, { client }) => {
  await client.query('COMMIT')
  client.release()
})
await hear((event) => {
  const topic = `scanRequested ${event.workspace}`
  app.graphql.pubsub.publish({ topic, payload: { scanRequested: { ...event, linkId: event.link } } })
})
await app.listen({ port, host: '127.0.0.1' })
