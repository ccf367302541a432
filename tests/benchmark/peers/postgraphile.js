// PostGraphile 5 on the privacy schema, read-only; the caller reaches the policies by pgSettings.
import { createServer } from 'node:http'
import { grafserv } from 'postgraphile/grafserv/node'
import { makePgService } from 'postgraphile/adaptors/pg'
import { jsonParse } from 'postgraphile/@dataplan/json'
import { context, get, lambda, listen } from 'postgraphile/grafast'
import { postgraphile } from 'postgraphile'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { extendSchema, gql } from 'postgraphile/utils'
import { authenticate, pool, port } from './common.js'

// Subscribers listen to a channel of their workspace; the link is read as their caller.
const subscriptions = extendSchema((build) => ({
  typeDefs: gql`
    extend type Subscription { scanRequested: ScanRequested }
    type ScanRequested { cursor: String requestedAt: String reason: String link: PlatformLink }
  `,
  objects: {
    Subscription: {
      plans: {
        scanRequested: {
          subscribePlan () {
            const topic = lambda(context().get('workspace'), (workspace) => `scan_${workspace}`, true)
            return listen(context().get('pgSubscriber'), topic, jsonParse)
          },
          plan: (event) => event
        }
      }
    },
    ScanRequested: {
      plans: {
        link: (event) => build.pgResources.platform_link.get({ workspace_id: get(event, 'workspace'), id: get(event, 'link') })
      }
    }
  }
}))

const preset = {
  extends: [PostGraphileAmberPreset],
  plugins: [subscriptions],
  // PgIndexBehaviorsPlugin would hide the filter by status, which has no index of its own: a person has few links.
  disablePlugins: ['PgMutationCreatePlugin', 'PgMutationUpdateDeletePlugin', 'NodePlugin', 'PgIndexBehaviorsPlugin'],
  pgServices: [makePgService({ pool, schemas: ['privacy'] })],
  grafast: {
    explain: false,
    async context ({ node, ws }) {
      const { account, workspace } = await authenticate(ws?.connectionParams?.Authorization ?? node.req.headers.authorization)
      return { workspace, pgSettings: { 'fivefold.workspace_id': workspace, 'fivefold.account_id': account } }
    }
  },
  grafserv: { graphiql: false, watch: false, websockets: true }
}
const server = createServer()
await postgraphile(preset).createServ(grafserv).addTo(server)
server.listen(port, '127.0.0.1')
