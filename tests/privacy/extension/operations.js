// Every GraphQL document that this extension sends. An API key with the scope snapshots:write may send them all.

const graphql = String.raw;

export const PLATFORMS = graphql`
  query Platforms($after: String) {
    platforms(first: 100, after: $after) {
      edges { node { slug name activeConfig { urlPatterns } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;

export const PLATFORM = graphql`
  query Platform($slug: String!) {
    platform(slug: $slug) {
      slug
      name
      activeConfig { version urlPatterns selectors }
      activeTemplate { hash settings { key type options } }
    }
  }
`;

export const LINKS = graphql`
  query Links($after: String) {
    platformLinks(status: ACTIVE, first: 100, after: $after) {
      edges { node { id label platform { slug } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;

export const LINK = graphql`
  mutation Link($input: LinkPlatformInput!) {
    linkPlatform(input: $input) { link { id } }
  }
`;

export const REGISTER = graphql`
  mutation Register($input: RegisterDeviceInput!) {
    registerDevice(input: $input) { device { id } }
  }
`;

export const RECORD = graphql`
  mutation Record($inputs: [RecordSnapshotInput!]!) {
    recordSnapshots(inputs: $inputs) { unchanged }
  }
`;

export const PROPOSE = graphql`
  mutation Propose($input: ProposeTemplateInput!) {
    proposeTemplate(input: $input) { template { hash state } }
  }
`;

export const REPORT = graphql`
  mutation Report($input: ReportScanFailureInput!) {
    reportScanFailure(input: $input) { counted }
  }
`;
