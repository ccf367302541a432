// GraphQL Yoga with JIT over Drizzle: each root field is one relational query, one statement, in a transaction of its own.
import { createServer } from 'node:http'
import { useGraphQlJit } from '@envelop/graphql-jit'
import { and, desc, eq, lt, relations } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import {
  customType, doublePrecision, pgSchema, smallint, text, timestamp, uuid
} from 'drizzle-orm/pg-core'
import { useServer } from 'graphql-ws/use/ws'
import { createPubSub, createSchema, createYoga } from 'graphql-yoga'
import { WebSocketServer } from 'ws'
import { DASHBOARD, SCHEMA, authenticate, begin, completion, fromCursor, fromGlobal, hear, pool, port, settingsOf, toGlobal, unpack } from './common.js'

// Inside the JSON that a relational query builds, bytes are text of the form \x00ff.
const bytes = customType({
  dataType: () => 'bytea',
  fromDriver: (value) => (typeof value === 'string' ? Buffer.from(value.slice(2), 'hex') : value)
})
const privacy = pgSchema('privacy')
const platform = privacy.table('platform', { id: uuid('id').primaryKey(), slug: text('slug'), name: text('name') })
const template = privacy.table('template', { id: uuid('id').primaryKey(), settingCount: smallint('setting_count') })
const link = privacy.table('platform_link', {
  workspaceId: uuid('workspace_id'),
  id: uuid('id'),
  platformId: uuid('platform_id'),
  latestSnapshotId: uuid('latest_snapshot_id'),
  label: text('label'),
  status: text('status'),
  linkedAt: timestamp('linked_at', { withTimezone: true })
})
const snapshot = privacy.table('snapshot', {
  workspaceId: uuid('workspace_id'),
  id: uuid('id'),
  linkId: uuid('link_id'),
  templateId: uuid('template_id'),
  riskScore: smallint('risk_score'),
  confidence: doublePrecision('confidence'),
  capturedAt: timestamp('captured_at', { withTimezone: true }),
  packed: bytes('packed'),
  observed: bytes('observed')
})
const change = privacy.table('change', {
  workspaceId: uuid('workspace_id'),
  snapshotId: uuid('snapshot_id'),
  setting: text('setting'),
  oldValue: text('old_value'),
  newValue: text('new_value'),
  origin: text('origin')
})
const ofLink = relations(link, ({ one, many }) => ({
  platform: one(platform, { fields: [link.platformId], references: [platform.id] }),
  latestSnapshot: one(snapshot, {
    relationName: 'latest',
    fields: [link.workspaceId, link.latestSnapshotId],
    references: [snapshot.workspaceId, snapshot.id]
  }),
  snapshots: many(snapshot, { relationName: 'history' })
}))
const ofSnapshot = relations(snapshot, ({ one, many }) => ({
  link: one(link, {
    relationName: 'history',
    fields: [snapshot.workspaceId, snapshot.linkId],
    references: [link.workspaceId, link.id]
  }),
  template: one(template, { fields: [snapshot.templateId], references: [template.id] }),
  changes: many(change)
}))
const ofChange = relations(change, ({ one }) => ({
  snapshot: one(snapshot, {
    fields: [change.workspaceId, change.snapshotId],
    references: [snapshot.workspaceId, snapshot.id]
  })
}))
const schema = { platform, template, link, snapshot, change, ofLink, ofSnapshot, ofChange }

// One transaction by the caller of the context. Without drizzle.transaction(): this way BEGIN and the caller are one round trip.
async function within ({ caller }, work) {
  const client = await pool.connect()
  try {
    await client.query(begin(caller))
    const found = await work(drizzle(client, { schema }), client, caller.workspace)
    await client.query('COMMIT')
    client.release()
    return found
  } catch (error) {
    client.release(error)
    throw error
  }
}

// The names of the fields that a selection asks for, by the path to them.
function selected (info, ...path) {
  let nodes = info.fieldNodes
  const below = (node) => node.selectionSet?.selections ?? []
  for (const name of path) nodes = nodes.flatMap(below).filter((node) => node.name.value === name)
  return new Set(nodes.flatMap(below).map((node) => node.name.value))
}

const snapshotColumns = {
  columns: { id: true, templateId: true, riskScore: true, confidence: true, capturedAt: true, packed: true, observed: true },
  with: { template: { columns: { settingCount: true } } }
}

async function links (db, workspace, first, info, path, ...where) {
  const asked = selected(info, ...path, 'edges', 'node')
  const history = selected(info, ...path, 'edges', 'node', 'snapshots', 'edges', 'node')
  const rows = await db.query.link.findMany({
    columns: { id: true, label: true, status: true, linkedAt: true },
    where: and(eq(link.workspaceId, workspace), ...where),
    orderBy: desc(link.id),
    limit: first,
    with: {
      ...(asked.has('platform') && { platform: true }),
      ...(asked.has('latestSnapshot') && { latestSnapshot: snapshotColumns }),
      ...(asked.has('snapshots') && {
        snapshots: {
          columns: { id: true, riskScore: true, capturedAt: true },
          orderBy: desc(snapshot.id),
          limit: 4,
          ...(history.has('changes') && {
            with: {
              changes: { columns: { setting: true, oldValue: true, newValue: true, origin: true }, orderBy: change.setting }
            }
          })
        }
      })
    }
  })
  return { edges: rows.map((node) => ({ node })) }
}

const page = (rows, first) => ({
  edges: rows.slice(0, first).map((node) => ({ node })),
  pageInfo: { hasNextPage: rows.length > first }
})

const pubsub = createPubSub()
const resolvers = {
  Subscription: {
    scanRequested: {
      subscribe: (_, args, { caller }) => pubsub.subscribe('scanRequested', caller.workspace),
      resolve: (event) => event
    }
  },
  ScanRequested: {
    link: ({ link: id }, args, context) =>
      within(context, (db, client, workspace) =>
        db.query.link.findFirst({
          columns: { id: true, label: true, status: true, linkedAt: true },
          where: and(eq(link.workspaceId, workspace), eq(link.id, id)),
          with: { platform: true }
        })
      )
  },
  Query: {
    privacyDashboard: (_, args, context, info) =>
      within(context, async (db, client, workspace) => {
        const { rows: [figures] } = await client.query({ name: 'dashboard', text: DASHBOARD, values: [workspace] })
        const active = eq(link.status, 'ACTIVE')
        const found = await links(db, workspace, 20, info, ['links'], active)
        if (selected(info, 'links', 'edges', 'node', 'latestSnapshot').has('settings')) {
          const snapshots = found.edges.map(({ node }) => node.latestSnapshot)
          const known = await settingsOf((text) => client.query(text), snapshots.map((one) => one.templateId))
          for (const one of snapshots) one.settings = unpack(known.get(one.templateId), one.packed, one.observed)
        }
        return { ...figures, links: found }
      }),
    platformLink: (_, { id }, context) =>
      within(context, (db, client, workspace) =>
        db.query.link.findFirst({
          columns: { id: true, label: true, status: true, linkedAt: true },
          where: and(eq(link.workspaceId, workspace), eq(link.id, fromGlobal(id)))
        })
      ),
    platformLinks: (_, { first }, context, info) =>
      within(context, (db, client, workspace) => links(db, workspace, first, info, [])),
    snapshots: (_, { linkId, first, after }, context) =>
      within(context, async (db, client, workspace) => {
        const behind = after ? [lt(snapshot.id, fromCursor(after))] : []
        const where = and(eq(snapshot.workspaceId, workspace), eq(snapshot.linkId, fromGlobal(linkId)), ...behind)
        const query = { ...snapshotColumns, where, orderBy: desc(snapshot.id), limit: first + 1 }
        return page(await db.query.snapshot.findMany(query), first)
      })
  },
  Link: {
    id: (row) => toGlobal('PlatformLink', row.id),
    snapshots: (row, { first }) => page(row.snapshots, first)
  },
  Platform: { id: (row) => toGlobal('Platform', row.id) },
  Snapshot: {
    id: (row) => toGlobal('Snapshot', row.id),
    completionRate: (row) => completion(row.observed, row.template.settingCount)
  }
}

const yoga = createYoga({
  schema: createSchema({ typeDefs: SCHEMA, resolvers }),
  plugins: [useGraphQlJit()],
  context: async ({ request, connectionParams }) => ({
    caller: await authenticate(connectionParams?.Authorization ?? request.headers.get('authorization'))
  }),
  graphiql: false,
  landingPage: false,
  logging: 'warn'
})
const server = createServer(yoga)
useServer(
  {
    execute: (args) => args.rootValue.execute(args),
    subscribe: (args) => args.rootValue.subscribe(args),
    onSubscribe: async (ctx, id, params) => {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        ...ctx, req: ctx.extra.request, socket: ctx.extra.socket, params
      })
      const args = {
        schema,
        operationName: params.operationName,
        document: parse(params.query),
        variableValues: params.variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe }
      }
      const errors = validate(args.schema, args.document)
      return errors.length ? errors : args
    }
  },
  new WebSocketServer({ server, path: '/graphql' })
)
await hear((event) => pubsub.publish('scanRequested', event.workspace, event))
server.listen(port, '127.0.0.1')
