// PostGraphile 5 on the privacy schema, read-only; the caller reaches the policies by pgSettings.
import { createServer } from 'node:http'
import { grafserv } from 'postgraphile/grafserv/node'
import { makePgService } from 'postgraphile/adaptors/pg'
import { postgraphile } from 'postgraphile'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { authenticate, pool, port } from './common.js'

const preset = {
  extends: [PostGraphileAmberPreset],
  // PgIndexBehaviorsPlugin would hide the filter by status, which has no index of its own: a person has few links.
  disablePlugins: ['PgMutationCreatePlugin', 'PgMutationUpdateDeletePlugin', 'NodePlugin', 'PgIndexBehaviorsPlugin'],
  pgServices: [makePgService({ pool, schemas: ['privacy'] })],
  grafast: {
    explain: false,
    async context ({ node }) {
      const { account, workspace } = await authenticate(node.req.headers.authorization)
      return { pgSettings: { 'fivefold.workspace_id': workspace, 'fivefold.account_id': account } }
    }
  },
  grafserv: { graphiql: false, watch: false }
}
const server = createServer()
await postgraphile(preset).createServ(grafserv).addTo(server)
server.listen(port, '127.0.0.1')
